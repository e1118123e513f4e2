// Where tensors live and work runs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/own_process.h"
#include "core/processors.h"
#include "core/shape.h"
#include "instructblip/device.h"
#include "kernels/choice.h"
#include "kernels/machine.h"
#include "kernels/queue.h"
#include "kernels/registry.h"
#include "kernels/tables.h"
#include "nn/device_state.h"
#include "nn/host.h"
#include "nn/work_thread.h"

namespace instructblip::nn {

// Which results operations may give. By `reference` they are ATen's, whose products may add up in
// another order when a matrix has other rows, lies elsewhere, or more threads share the work, and
// whose elementwise functions may round the last elements otherwise than the ones before.
using instructblip::Numerics;

// What operations run on. This class is the CPU: one thread that works for all callers, with a team
// of threads of its own.
//
// OpenMP gives every thread that opens a parallel region a team of its own, so concurrent callers
// would run several times as many threads as there are cores. Here they queue for one thread with
// one team: first come, first served, a stage or a decoding step at a time, so that a short request
// is never stuck behind a long one. Autograd is off on it.
//
// A device derives from this: its tensors lie elsewhere, and its kernels are others. Operations for
// which it has no table of kernels are ATen compositions. Where a model's weights are held in half
// precision, rows are too, on a device: its kernels add up in float32.
// Thread-safe. Operations that were made for a runtime keep a pointer to it: it must outlive them.
class Runtime {
 public:
  // Number of threads of the team; kernels forced by name; whether bf16 weights may round rows.
  explicit Runtime(int threads = 1, Numerics numerics = Numerics::reference,
                   kernels::Choice kernels = {}, bool rounds_rows = false);
  virtual ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  Numerics numerics() const { return numerics_; }
  bool deterministic() const { return numerics_ == Numerics::deterministic; }
  bool rounds_rows() const { return rounds_rows_; }

  // One table of kernels for each operation.
  virtual const kernels::Tables& tables() const;
  // What kernels may use.
  virtual const kernels::Machine& machine() const { return kernels::this_machine(); }
  virtual kernels::Queue& queue() const;  // shares out the work of kernels: the team
  // The kernel for a problem: the one that is forced, else the first that fits it, this machine and
  // the numerics. Throws Error(invalid_argument) where the forced one does not fit.
  template <typename Kernel, typename Problem>
  const Kernel& kernel(std::span<const Kernel> kernels, const Problem& problem) const {
    const Kernel* const kernel = kernels::choose(kernels, problem, wanted(false));
    if (kernel == nullptr) kernels::throw_none(Kernel::kOperation);
    return *kernel;
  }
  // Whether a kernel takes the problem; one that is forced may not take such sizes.
  template <typename Kernel, typename Problem>
  bool has_kernel(std::span<const Kernel> kernels, const Problem& problem) const {
    return kernels::choose(kernels, problem, wanted(true)) != nullptr;
  }
  // The kernel of a device that takes a problem; null where none does, or this is no device. Throws
  // Error(invalid_argument) where the device lacks what the forced one needs.
  template <typename Contract>
  const kernels::cuda::Kernel<Contract>* device_kernel(
      std::span<const kernels::cuda::Kernel<Contract>> kernels,
      const typename Contract::Problem& problem) const {
    const bool forbidden = kernels_.forces(Contract::kOperation, kernels::kNoKernel);
    if (kernels.empty() || forbidden) return nullptr;
    return kernels::choose(kernels, problem, wanted(true));
  }
  // Where a device's kernels go. Not on the processor.
  virtual kernels::cuda::Stream& stream() const;
  // Whether a kernel of this table is forced, where a composition would be taken otherwise.
  template <typename Kernel>
  bool forces(std::span<const Kernel> kernels) const {
    return !kernels::forced_in(kernels, kernels_).empty();
  }

  // What computes on the processor for callers: itself, or beside a device one of its own, so that
  // launches wait for no picture.
  virtual Runtime& processor() { return *this; }
  // Each thread of the team stays on one of these from now on.
  void stay_on(std::shared_ptr<const HeldCpus> cpus);

  // What its device has, where that is not the host's memory.
  virtual std::optional<DeviceMemory> memory() const { return std::nullopt; }

  // Where its tensors lie.
  virtual at::Device device() const { return at::kCPU; }
  // The type of rows on their way through a model: float32, or, on a device, f16 or bf16.
  virtual at::ScalarType row_type() const { return at::kFloat; }
  // How a tensor of this type is made there, for factories of ATen's; and one without values.
  at::TensorOptions options(at::ScalarType type) const { return host(type).device(device()); }
  at::Tensor empty(const Shape& shape, at::ScalarType type) const;
  // Token ids, positions or slots there, [n] int32.
  at::Tensor ids(std::span<const std::int32_t> values) const;
  // The same for numbers that are used again and again: up to some of them stay there.
  virtual at::Tensor known_ids(const std::vector<std::int32_t>& values) const;
  // The values of a tensor there: a copy, or itself where it lies there already.
  virtual at::Tensor upload(const at::Tensor& tensor) const;
  // The values of a tensor in the host's memory, of the same type: a copy, which waits for the
  // device that computes them, or itself where it lies there already.
  at::Tensor download(const at::Tensor& tensor) const;
  // A tensor without values in memory of the host that a device copies from and to by itself:
  // whoever copies as `non_blocking` goes on, and wait()s before it reads what came.
  virtual at::Tensor host_memory(const Shape& shape, at::ScalarType type) const;
  // Waits for all that was handed over to the device.
  virtual void wait() const {}
  // A place behind that, to wait for it alone. Not on the processor.
  virtual std::unique_ptr<DeviceMark> mark() const;
  // [count] int32 zeros there that kernels count with, which leave zeros: the same for all of them.
  virtual at::Tensor counters(std::int64_t count) const;
  // The same in the type that rows have.
  at::Tensor upload_rows(const at::Tensor& rows) const { return upload(rows).to(row_type()); }

  // What `step` returns. A device may record its launches, and launch them again when the same key
  // comes, without calling it: it reads nothing that is not in the key or in memory of the device
  // that stays where it is (step_memory(), weights, pages), copies nothing from or to the host, and
  // leaves nothing behind on the host. The result is valid until the next step.
  virtual at::Tensor replay(const StepKey& key, const std::function<at::Tensor()>& step) const;
  // Does `work`, a decoding step of so many rows. Where they are few and all its products kernels',
  // the team stands by for its tasks until it is over. A step may be part of another one.
  void step(std::int64_t rows, const std::function<void()>& work) const;
  // Whether replay() records, so that steps are to be padded and read their tables on the device.
  virtual bool replays() const { return false; }
  // The last use of a key, step_memory()'s too, if its step is recorded. While that stays,
  // launch_again() launches what it has recorded; else it gives nothing.
  virtual std::optional<std::uint64_t> recorded_use(const StepKey&) const { return std::nullopt; }
  virtual at::Tensor launch_again(const StepKey&, std::uint64_t /*last_use*/) const { return {}; }
  // Memory for what the steps of a key read, [count] int32: the same whenever it is asked for.
  virtual at::Tensor step_memory(const StepKey& key, std::int64_t count) const;

  // Errors: unsupported, in a child that fork() made, which has no such thread.
  void require_thread() const { process_.require(); }
  // Takes what is to end on the thread, and does not wait for that.
  void leave(std::shared_ptr<void> what) noexcept;
  // Runs `work` on the thread and waits; what it throws is thrown here, translated(). Must not be
  // called from work that runs there. Errors: as require_thread().
  template <typename Work>
  auto run(Work&& work) {
    using Result = std::invoke_result_t<Work>;
    if constexpr (std::is_void_v<Result>) {
      run_task(std::forward<Work>(work));
    } else {
      std::optional<Result> result;
      run_task([&] { result.emplace(work()); });
      return std::move(*result);
    }
  }

 protected:
  // From now on whoever waits, for work or for its end, spins before it sleeps: steps of a device
  // are so short that waking up a thread would be a share of them.
  void spin_before_sleep() { thread_->spin_before_sleep(); }

 private:
  kernels::Wanted wanted(bool may_compose) const {
    return {&kernels_, &machine(), deterministic(), may_compose};
  }

  void run_task(std::function<void()> work);

  Numerics numerics_;
  kernels::Choice kernels_;
  bool rounds_rows_;
  std::shared_ptr<const HeldCpus> cpus_;
  OwnProcess process_;
  std::unique_ptr<WorkThread> thread_;
};

}  // namespace instructblip::nn
