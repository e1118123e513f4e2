#include "kernels/choice.h"

#include <algorithm>
#include <cstdlib>

#include "core/errors.h"
#include "kernels/catalogue.h"
#include "kernels/cuda/kernels.h"

namespace instructblip::kernels {
namespace {

constexpr const char* kVariable = "INSTRUCTBLIP_KERNELS";

template <class Range, class Name>
std::string list(const Range& range, Name name) {
  std::string text;
  for (const auto& item : range) {
    if (!text.empty()) text += ", ";
    text += name(item);
  }
  return text;
}

[[noreturn]] void refuse(std::string_view source, const std::string& what,
                         const std::string& hint) {
  throw Error(ErrorCode::invalid_argument, std::string(source) + ": " + what, hint);
}

const Operation& find_operation(const std::vector<Operation>& all, std::string_view name,
                                std::string_view source) {
  const auto found = std::ranges::find(all, name, &Operation::name);
  if (found == all.end()) {
    refuse(source, "there is no operation " + quote(name),
           "operations are " + list(all, [](const Operation& o) { return std::string(o.name); }));
  }
  return *found;
}

void check_kernel(const Operation& operation, std::string_view kernel, std::string_view source) {
  const auto found = std::ranges::find(operation.entries, kernel, &Entry::kernel);
  if (found == operation.entries.end()) {
    refuse(source, std::string(operation.name) + " has no kernel " + quote(kernel),
           "its kernels are " +
               list(operation.entries, [](const Entry& e) { return std::string(e.kernel); }));
  }
  if (!found->support && !found->support.takes_other_sizes()) {
    refuse(source,
           "kernel " + std::string(kernel) + " of " + std::string(operation.name) +
               " does not fit: " + std::string(found->support.reason()),
           "instructblip doctor lists those that do");
  }
}

// Whether it is a kernel of CUDA devices: whether it fits is seen where one is used.
bool is_of_devices(std::string_view operation, std::string_view kernel) {
  return std::ranges::any_of(cuda::listed(), [&](const cuda::Listed& entry) {
    return entry.operation == operation && (entry.kernel == kernel || kernel == kNoKernel);
  });
}

}  // namespace

Choice Choice::parse(std::string_view text, std::string_view source, const Machine& machine) {
  Choice choice, of_devices;
  if (text.empty()) return choice;
  const std::vector<Operation> all = catalogue(Choice(), machine);
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view item = text.substr(begin, end - begin);
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      refuse(source, "expected OPERATION=KERNEL, found " + quote(item),
             "for example linear=reference");
    }
    const std::string_view name = item.substr(0, equals), kernel = item.substr(equals + 1);
    if (source == kVariable && is_of_devices(name, kernel)) {
      of_devices.add(name, kernel, source);
      begin = end + 1;
      continue;
    }
    const Operation& operation = find_operation(all, name, source);
    if (kernel != kNoKernel || machine.cuda_capability == 0) {
      check_kernel(operation, kernel, source);
    }
    if (source != kVariable && operation.scope == Scope::process) {
      refuse(source, std::string(operation.name) + " is not run by a model alone",
             "INSTRUCTBLIP_KERNELS=" + std::string(item) + " forces it for the whole process");
    }
    choice.add(operation.name, kernel, source);
    begin = end + 1;
  }
  choice.forced_.insert(choice.forced_.end(), of_devices.forced_.begin(), of_devices.forced_.end());
  return choice;
}

void Choice::add(std::string_view operation, std::string_view kernel, std::string_view source) {
  if (!forced(operation).empty()) {
    refuse(source, std::string(operation) + " is named twice", "name each operation once");
  }
  forced_.emplace_back(operation, kernel);
}

const Choice& Choice::of_environment() {
  static const Choice choice = [] {
    const char* text = std::getenv(kVariable);
    return parse(text == nullptr ? "" : text, kVariable);
  }();
  return choice;
}

std::string_view Choice::forced(std::string_view operation) const {
  for (const auto& [name, kernel] : forced_) {
    if (name == operation) return kernel;
  }
  return {};
}

bool Choice::forces(std::string_view operation, std::string_view kernel) const {
  return std::ranges::any_of(
      forced_, [&](const auto& item) { return item.first == operation && item.second == kernel; });
}

Choice Choice::or_else(const Choice& other) const {
  Choice both = *this;
  for (const auto& item : other.forced_) {
    if (forced(item.first).empty()) both.forced_.push_back(item);
  }
  return both;
}

void throw_unfit(std::string_view operation, std::string_view kernel, std::string_view reason) {
  throw Error(ErrorCode::invalid_argument,
              "kernel " + std::string(kernel) + " of " + std::string(operation) +
                  ", which was asked for, does not fit: " + std::string(reason),
              "instructblip doctor lists those that do");
}

void throw_none(std::string_view operation) {
  throw Error(ErrorCode::internal,
              "kernels: no kernel of " + std::string(operation) + " takes such a problem");
}

}  // namespace instructblip::kernels
