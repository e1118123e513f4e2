#include "unit/nn/emulated_device.h"

#include <exception>
#include <stdexcept>
#include <utility>

#include "kernels/cuda/emulator/device.h"
#include "kernels/cuda/kernels.h"
#include "unit/nn/stand_in_memory.h"

namespace instructblip {
namespace {

std::map<std::string, std::int64_t, std::less<>> launches;
bool pending = false;

// Kernels that were handed over one after the other may overlap. They end before an operation of
// ATen's begins, and before memory is given back.
void run_pending() {
  if (!std::exchange(pending, false)) return;
  const Working working;
  emulator::run_queue({});
}

void hand_over(const std::string& kernel, const kernels::cuda::Launcher& launcher) {
  if (launcher(nullptr, /*overlaps_previous=*/true) != 0) throw std::logic_error(kernel);
  ++launches[kernel];
  pending = true;
}

class EmulatedStream final : public kernels::cuda::Stream {
 public:
  void launch(std::string_view kernel, kernels::cuda::Launcher launcher) override {
    const auto again = [name = std::string(kernel), launcher] { hand_over(name, launcher); };
    record_in_stand_in(kernel, again);
    again();
  }
};

class EmulatedDevice final : public StandInDevice {
 public:
  explicit EmulatedDevice(const ChangeTables& change) : StandInDevice({1 << 30, 1 << 30}) {
    tables_.cuda = kernels::cuda::tables();
    if (change) change(tables_.cuda);
    machine_.cuda_capability = 90;
    machine_.cuda_processors = 2;
    settle_stand_in_by(run_pending);
  }

  const kernels::Tables& tables() const override { return tables_; }
  const kernels::Machine& machine() const override { return machine_; }
  kernels::cuda::Stream& stream() override { return stream_; }

 private:
  kernels::Tables tables_ = kNoTables;
  kernels::Machine machine_;
  EmulatedStream stream_;
};

}  // namespace

const std::map<std::string, std::int64_t, std::less<>>& launches_of_emulated_device() {
  return launches;
}

std::unique_ptr<nn::Device> make_emulated_device(const ChangeTables& change) {
  return std::make_unique<EmulatedDevice>(change);
}

}  // namespace instructblip
