#include "unit/nn/stand_in_device.h"

#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "unit/nn/stand_in_memory.h"

namespace instructblip {
namespace {

constexpr c10::DispatchKeySet kOnDevice(c10::DispatchKey::PrivateUse1);

std::atomic<std::int64_t> operations{0}, records_launched{0}, largest_to_host{0};
void (*settle)() = nullptr;

bool on_device(const at::Tensor& x) { return x.device() == stand_in_device(); }

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type,
                 std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>,
                 std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &stand_in_allocator(), kOnDevice,
                                   type.value_or(at::kFloat), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride,
                         std::optional<at::ScalarType> type, std::optional<at::Layout>,
                         std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &stand_in_allocator(), kOnDevice,
                                           type.value_or(at::kFloat));
}

// The same memory as the host sees it while the device works.
at::Tensor seen_by_host(const at::Tensor& x) {
  const auto elements = static_cast<std::int64_t>(x.storage().nbytes() / x.dtype().itemsize());
  at::Tensor whole = at::from_blob(x.storage().mutable_data(), {elements},
                                   at::TensorOptions().dtype(x.dtype()).device(at::kCPU));
  return whole.as_strided(x.sizes(), x.strides(), x.storage_offset());
}

// Tensors of a call as the host sees them, and back.
class Crossing {
 public:
  at::Tensor to_host(const at::Tensor& x) {
    if (!x.defined() || (!on_device(x) && x.dim() == 0)) return x;  // a number
    TORCH_CHECK(on_device(x), "a tensor of ", x.device(), " among those of the device");
    // Without elements it may be a result that is still to be given its size.
    crossed_.emplace_back(
        x, x.numel() > 0 ? seen_by_host(x) : at::empty(x.sizes(), nn::host(x.scalar_type())));
    return crossed_.back().second;
  }

  // Results that were given a size take the memory for it.
  void resize() const {
    for (const auto& [device, host] : crossed_) {
      if (host.sizes() == device.sizes()) continue;
      const at::Tensor copy = copied(host);
      device.unsafeGetTensorImpl()->set_storage_keep_dtype(copy.storage());
      device.unsafeGetTensorImpl()->set_sizes_and_strides(copy.sizes(), copy.strides());
    }
  }

  // What came back is an argument, shares the memory of one, or is new.
  at::Tensor to_device(const at::Tensor& x) const {
    if (!x.defined()) return x;
    for (const auto& [device, host] : crossed_) {
      if (x.is_same(host)) return device;
    }
    for (const auto& [device, host] : crossed_) {
      if (x.numel() == 0 || x.storage().data() != host.storage().data()) continue;
      at::Tensor view = at::detail::make_tensor<c10::TensorImpl>(c10::Storage(device.storage()),
                                                                 kOnDevice, x.dtype());
      view.unsafeGetTensorImpl()->set_sizes_and_strides(x.sizes(), x.strides(), x.storage_offset());
      return view;
    }
    return copied(x);
  }

 private:
  static at::Tensor copied(const at::Tensor& x) {
    at::Tensor copy = empty_strided(x.sizes(), x.strides(), x.scalar_type(), {}, {}, {});
    if (x.numel() > 0) seen_by_host(copy).copy_(x);
    return copy;
  }

  std::vector<std::pair<at::Tensor, at::Tensor>> crossed_;  // on the device, as the host sees it
};

c10::IValue to_host(Crossing& crossing, const c10::IValue& value) {
  if (value.isTensor()) return crossing.to_host(value.toTensor());
  if (value.isDevice()) return at::Device(at::kCPU);
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& x : value.toTensorVector()) list.push_back(crossing.to_host(x));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& x : value.toOptionalTensorVector()) {
      list.push_back(x ? std::optional(crossing.to_host(*x)) : std::nullopt);
    }
    return list;
  }
  return value;
}

c10::IValue to_device(const Crossing& crossing, const c10::IValue& value) {
  if (value.isTensor()) return crossing.to_device(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& x : value.toTensorVector()) list.push_back(crossing.to_device(x));
    return list;
  }
  return value;
}

// What a step has launched, and what its operations were given and gave.
class Record final : public nn::RecordedStep {
 public:
  ~Record() override { release_stand_in_memory(made); }
  at::Tensor launch() override {
    const Working working;
    ++records_launched;
    for (const auto& entry : launches) entry();
    return result;
  }

  std::vector<std::function<void()>> launches;
  at::Tensor result;
  std::vector<Stretch> made;  // the memory that it computes in
};

Record* recording = nullptr;
std::vector<std::string> last_record;

void add(Record& record, std::string_view name, std::function<void()> launch) {
  record.launches.push_back(std::move(launch));
  last_record.emplace_back(name);
}

// Whether its results are other views of its arguments, written by nobody.
bool only_looks(const c10::FunctionSchema& schema) {
  const auto& results = schema.returns();
  return !results.empty() && std::ranges::all_of(results, [](const c10::Argument& result) {
    return result.alias_info() != nullptr && !result.alias_info()->isWrite();
  });
}

void call(const c10::OperatorHandle& operation, torch::jit::Stack& stack) {
  Crossing crossing;
  for (c10::IValue& value : stack) value = to_host(crossing, value);
  operation.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack);
  crossing.resize();
  for (c10::IValue& value : stack) value = to_device(crossing, value);
}

std::vector<at::Tensor> tensors_in(const torch::jit::Stack& stack) {
  std::vector<at::Tensor> tensors;
  for (const c10::IValue& value : stack) {
    if (value.isTensor()) tensors.push_back(value.toTensor());
    if (value.isTensorList()) {
      for (const at::Tensor& x : value.toTensorVector()) tensors.push_back(x);
    }
  }
  return tensors;
}

// Calls it again, with results where they were.
void call_again(const c10::OperatorHandle& operation, torch::jit::Stack arguments,
                const std::vector<at::Tensor>& results) {
  settle_stand_in();
  const Working working;
  ++operations;
  call(operation, arguments);
  const std::vector<at::Tensor> now = tensors_in(arguments);
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (!now[i].defined() || now[i].storage().data() == results[i].storage().data()) continue;
    seen_by_host(results[i]).copy_(seen_by_host(now[i]));
  }
}

void run_on_host(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  settle_stand_in();
  TORCH_CHECK(recording == nullptr || operation.schema().name() != "aten::_local_scalar_dense",
              "the host reads a number of a step that is being recorded");
  const Working working;
  ++operations;
  const std::size_t arguments = operation.schema().arguments().size();
  const auto first = stack->end() - static_cast<std::ptrdiff_t>(arguments);
  torch::jit::Stack own(first, stack->end());
  stack->erase(first, stack->end());
  const torch::jit::Stack given = own;
  call(operation, own);
  if (recording != nullptr) {
    const auto again = [operation, given, results = tensors_in(own)] {
      call_again(operation, given, results);
    };
    if (only_looks(operation.schema())) {
      recording->launches.emplace_back(again);
    } else {
      add(*recording, operation.schema().name(), again);
    }
  }
  stack->insert(stack->end(), own.begin(), own.end());
}

// What is on its way to or from the host's memory, in its order.
struct OnItsWay {
  at::Tensor place, values;
  std::int64_t number;
  bool to_device;
};
std::vector<OnItsWay> on_their_way;
std::int64_t sent = 0;

void arrive_up_to(std::int64_t number) {
  bool changed = false;
  std::erase_if(on_their_way, [&](const OnItsWay& one) {
    if (one.number > number) return false;
    if (one.to_device) {
      changed = changed || std::memcmp(one.place.const_data_ptr(), one.values.const_data_ptr(),
                                       one.place.nbytes()) != 0;
    } else {
      one.place.copy_(one.values);
    }
    return true;
  });
  if (changed) throw std::logic_error("the host has written what the device was to copy");
}

class Mark final : public nn::DeviceMark {
 public:
  void wait() override { arrive_up_to(number_); }

 private:
  std::int64_t number_ = sent;
};

// The one operation that crosses over.
at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  const auto copy = [from, to, non_blocking] {
    settle_stand_in();
    const Working working;
    const auto seen = [](const at::Tensor& x) { return on_device(x) ? seen_by_host(x) : x; };
    if (!on_device(to)) {
      largest_to_host =
          std::max<std::int64_t>(largest_to_host, static_cast<std::int64_t>(from.nbytes()));
    }
    if (non_blocking && !on_device(to)) {
      on_their_way.push_back(
          {to, seen_by_host(from).to(to.scalar_type(), false, true), ++sent, false});
      std::memset(to.mutable_data_ptr(), 0xff, to.nbytes());
      return;
    }
    seen(to).copy_(seen(from));
    if (non_blocking && !on_device(from) && from.is_contiguous()) {
      on_their_way.push_back({from, from.clone(), ++sent, true});
    }
  };
  if (recording != nullptr) {
    TORCH_CHECK(on_device(from) && on_device(to),
                "a copy from or to the host in a step that is being recorded");
    add(*recording, "aten::copy_", copy);
  }
  copy();
  return to;
}

at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
                       at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_padding, std::int64_t groups) {
  const auto compute = [=, strides = stride.vec(), paddings = padding.vec(),
                        dilations = dilation.vec(), output_paddings = output_padding.vec()] {
    const Working working;
    Crossing crossing;
    return crossing.to_device(
        at::convolution(crossing.to_host(x), crossing.to_host(weight),
                        bias ? std::optional(crossing.to_host(*bias)) : std::nullopt, strides,
                        paddings, dilations, transposed, output_paddings, groups));
  };
  settle_stand_in();
  const at::Tensor result = compute();
  if (recording != nullptr) {
    add(*recording, "aten::convolution", [compute, result] {
      settle_stand_in();
      const Working working;
      seen_by_host(result).copy_(seen_by_host(compute()));
    });
  }
  return result;
}

C10_REGISTER_GUARD_IMPL(PrivateUse1, c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::PrivateUse1>);

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("_copy_from", &copy_from);
  library.impl("convolution_overrideable", &convolution);
  // Else a composition of others.
  library.impl("native_layer_norm", torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}

}  // namespace

std::int64_t largest_copy_to_host() { return largest_to_host.exchange(0); }
std::int64_t operations_of_stand_in() { return operations; }
std::int64_t records_launched_by_stand_in() { return records_launched; }

void settle_stand_in_by(void (*function)()) { settle = function; }
void settle_stand_in() {
  if (settle != nullptr) settle();
}

void record_in_stand_in(std::string_view name, std::function<void()> launch) {
  if (recording != nullptr) add(*recording, name, std::move(launch));
}

const std::vector<std::string>& launches_of_last_record() { return last_record; }

void StandInDevice::wait() { arrive_up_to(sent); }

std::unique_ptr<nn::DeviceMark> StandInDevice::mark() { return std::make_unique<Mark>(); }

at::Tensor StandInDevice::host_memory(at::IntArrayRef shape, at::ScalarType type) {
  return at::empty(shape, nn::host(type));
}

std::unique_ptr<nn::RecordedStep> StandInDevice::record(const std::function<at::Tensor()>& step) {
  auto record = std::make_unique<Record>();
  const auto end = [] {
    recording = nullptr;
    note_stand_in_memory(nullptr);
  };
  settle_stand_in();
  const std::vector<std::byte> before = all_of_stand_in_memory();
  recording = record.get();
  last_record.clear();
  note_stand_in_memory(&record->made);
  try {
    record->result = step();
  } catch (...) {
    end();
    throw;
  }
  end();
  settle_stand_in();
  // Nothing has run yet, as far as anybody may know.
  restore_stand_in_memory(before);
  const Working working;
  for (const Stretch& stretch : record->made) std::memset(stretch.address, 0xff, stretch.bytes);
  return record;
}

}  // namespace instructblip
