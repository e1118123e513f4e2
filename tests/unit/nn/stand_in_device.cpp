#include "unit/nn/stand_in_device.h"

#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <cstdlib>
#include <utility>
#include <vector>

namespace instructblip {
namespace {

constexpr c10::DispatchKeySet kOnDevice(c10::DispatchKey::PrivateUse1);

std::atomic<std::int64_t> operations{0};

// No address of a program has this bit: reading there is a fault. Twice is once and back.
void* behind_the_wall(void* address) {
  return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(address) ^
                                 (std::uintptr_t{1} << 62));
}

class Allocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* const memory = std::aligned_alloc(64, (bytes + 64) / 64 * 64);
    if (memory == nullptr) throw std::bad_alloc();
    return {behind_the_wall(memory), memory, &std::free, stand_in_device()};
  }
  void copy_data(void* to, const void* from, std::size_t count) const override {
    default_copy_data(behind_the_wall(to), behind_the_wall(const_cast<void*>(from)), count);
  }
};

Allocator& allocator() {
  static Allocator the_one;
  return the_one;
}

bool on_device(const at::Tensor& x) { return x.device() == stand_in_device(); }

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type,
                 std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>,
                 std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &allocator(), kOnDevice, type.value_or(at::kFloat),
                                   format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride,
                         std::optional<at::ScalarType> type, std::optional<at::Layout>,
                         std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &allocator(), kOnDevice,
                                           type.value_or(at::kFloat));
}

// The same memory as the host sees it.
at::Tensor seen_by_host(const at::Tensor& x) {
  const auto elements = static_cast<std::int64_t>(x.storage().nbytes() / x.dtype().itemsize());
  at::Tensor whole = at::from_blob(behind_the_wall(x.storage().mutable_data()), {elements},
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
                                                                 kOnDevice, device.dtype());
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

void run_on_host(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  ++operations;
  Crossing crossing;
  const std::size_t arguments = operation.schema().arguments().size();
  const auto first = stack->end() - static_cast<std::ptrdiff_t>(arguments);
  for (auto value = first; value != stack->end(); ++value) *value = to_host(crossing, *value);
  operation.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  crossing.resize();
  const std::size_t results = operation.schema().returns().size();
  for (auto value = stack->end() - static_cast<std::ptrdiff_t>(results); value != stack->end();
       ++value) {
    *value = to_device(crossing, *value);
  }
}

// The one operation that crosses over.
at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool) {
  const auto seen = [](const at::Tensor& x) { return on_device(x) ? seen_by_host(x) : x; };
  seen(to).copy_(seen(from));
  return to;
}

at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
                       at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_padding, std::int64_t groups) {
  Crossing crossing;
  return crossing.to_device(
      at::convolution(crossing.to_host(x), crossing.to_host(weight),
                      bias ? std::optional(crossing.to_host(*bias)) : std::nullopt, stride, padding,
                      dilation, transposed, output_padding, groups));
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

std::int64_t operations_of_stand_in() { return operations; }

}  // namespace instructblip
