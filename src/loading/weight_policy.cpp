#include "loading/weight_policy.h"

#include <algorithm>
#include <vector>

#include "core/errors.h"

namespace instructblip {
namespace {

using nn::Module;

constexpr std::array<std::string_view, nn::kModules> kModuleNames = {
    "tables", "vision", "qformer", "projection", "language", "head"};
constexpr std::array<std::string_view, 5> kBits = {"half", "f32", "bf16", "q8", "q4"};

// Tables of words are looked up, not multiplied by: they are held in 16 bits.
constexpr std::size_t kFirst = 1;

template <std::size_t Count>
std::string listed(const std::array<std::string_view, Count>& names, std::size_t first = 0) {
  std::string text;
  for (std::size_t i = first; i < Count; ++i) {
    text += std::string(i == first ? "" : i + 1 == Count ? " or " : ", ") + std::string(names[i]);
  }
  return text;
}

[[noreturn]] void fail(const std::string& expected, std::string_view got) {
  throw Error(ErrorCode::invalid_argument, "policy: expected " + expected + ", got " + quote(got),
              "as in vision=q8,head=half");
}

nn::Format in_16_bits(DType stored) {
  return stored == DType::bf16 ? nn::Format::bf16 : nn::Format::f16;
}

}  // namespace

std::string_view name_of(Module module) { return kModuleNames[static_cast<std::size_t>(module)]; }

// A step reads the layers of the language model and its head, so that fewer bits make it faster;
// the errors of a head are those of its logits, and in 8 bits change hardly an answer.
// Pictures and prompts are not read but computed.
WeightPolicy::WeightPolicy(Precision precision, std::string_view text) {
  bits_[static_cast<std::size_t>(Module::language)] =
      precision == Precision::q4 ? Bits::q4 : Bits::q8;
  bits_[static_cast<std::size_t>(Module::head)] = Bits::q8;
  std::vector<std::string_view> named;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    change(text.substr(0, comma));
    const std::string_view module = text.substr(0, text.find('='));
    if (std::ranges::find(named, module) != named.end()) fail("each module once", module);
    named.push_back(module);
    if (comma == text.npos) return;
    text.remove_prefix(comma + 1);
    if (text.empty()) fail("MODULE=BITS behind the last comma", "");
  }
}

WeightPolicy::Bits& WeightPolicy::bits_of(std::string_view module) {
  const auto found = std::ranges::find(kModuleNames.begin() + kFirst, kModuleNames.end(), module);
  if (found == kModuleNames.end()) fail("a module, " + listed(kModuleNames, kFirst), module);
  return bits_[static_cast<std::size_t>(found - kModuleNames.begin())];
}

void WeightPolicy::change(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == text.npos) fail("MODULE=BITS", text);
  const std::string_view bits = text.substr(equals + 1);
  const auto found = std::ranges::find(kBits, bits);
  if (found == kBits.end()) fail(listed(kBits) + " behind " + quote(text.substr(0, equals)), bits);
  bits_of(text.substr(0, equals)) = static_cast<Bits>(found - kBits.begin());
}

nn::Format WeightPolicy::format(Module module, DType stored) const {
  switch (bits_[static_cast<std::size_t>(module)]) {
    case Bits::half:
      return in_16_bits(stored);
    case Bits::f32:
      return nn::Format::f32;
    case Bits::bf16:
      return nn::Format::bf16;
    case Bits::q8:
      return nn::Format::w8;
    case Bits::q4:
      return nn::Format::w4;
  }
  return nn::Format::f32;
}

std::string WeightPolicy::text() const {
  std::string text;
  for (std::size_t i = kFirst; i < kModuleNames.size(); ++i) {
    text += std::string(i == kFirst ? "" : ",") + std::string(kModuleNames[i]) + "=" +
            std::string(kBits[static_cast<std::size_t>(bits_[i])]);
  }
  return text;
}

}  // namespace instructblip
