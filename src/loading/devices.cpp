#include "loading/devices.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "core/errors.h"
#include "core/module.h"
#include "nn/device.h"

namespace instructblip {
namespace {

std::string gigabytes(std::int64_t bytes) {
  const std::int64_t tenths = (bytes + 50'000'000) / 100'000'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " GB";
}

std::string headline(const Error& error) {
  const std::string what = error.what();
  return what.substr(0, what.find('\n'));
}

// Opens our part for CUDA, and LibTorch's with it. Before any tensor is made: LibTorch asks for
// CUDA once, and remembers that there was none.
const nn::DevicePlugin& open_plugin() {
  static auto* const entry = [] {
    try {
      return reinterpret_cast<nn::DevicePluginEntry*>(
          open_module({"libinstructblip_cuda.so", "instructblip_cuda"}));
    } catch (const Error& error) {
      throw Error(error.code(), headline(error),
                  "LibTorch's libraries for CUDA belong beside its others: build with "
                  "INSTRUCTBLIP_TORCH_DIR set to the torch folder of a PyTorch 2.11 for CUDA 13");
    }
  }();
  const nn::DevicePlugin* const plugin = entry(nn::kDevicePluginVersion);
  if (plugin != nullptr) return *plugin;
  throw Error(ErrorCode::unsupported,
              printable(cuda_plugin_place()) + ": of another version than this library",
              "install the library whole: its parts belong together");
}

// Half precision is computed in where it was asked for: `automatic` gives the answers of float32.
at::ScalarType row_type_of(nn::Format rows) {
  if (rows == nn::Format::f16) return at::kHalf;
  return rows == nn::Format::bf16 ? at::kBFloat16 : at::kFloat;
}

}  // namespace

DeviceChoice choose_device(const LoadOptions& options) {
  if (options.device.type == DeviceType::cpu) return {};
  const std::string plugin = cuda_plugin_place();
  std::error_code none;
  // Starting the driver takes a while: not where nothing could run.
  const bool present = std::filesystem::exists(plugin, none);
  DeviceChoice choice =
      choose_device(options, present ? examine_cuda_driver() : CudaDriver(), plugin);
  try {
    if (choice.cuda) open_plugin();
  } catch (const Error& error) {
    if (options.device.type != DeviceType::automatic) throw;
    choice = {{}, headline(error)};
  }
  return choice;
}

DeviceChoice choose_device(const LoadOptions& options, const CudaDriver& driver,
                           const std::string& plugin) {
  if (options.device.type == DeviceType::cpu) return {};
  const bool automatic = options.device.type == DeviceType::automatic;
  const int index = automatic ? 0 : options.device.index;
  if (const CudaObstacle obstacle = cuda_obstacle(index, driver, plugin)) {
    if (automatic) return {{}, obstacle.reason};
    throw Error(ErrorCode::invalid_argument, "device: cuda cannot be used: " + obstacle.reason,
                obstacle.hint);
  }
  if (options.deterministic || options.numerics == Numerics::deterministic ||
      options.numerics == Numerics::fast) {
    const std::string reason =
        "deterministic and fast numerics are computed by kernels of the processor";
    if (automatic) return {{}, reason};
    throw Error(ErrorCode::invalid_argument, "device: cuda cannot be used: " + reason,
                "choose cpu, or leave them out");
  }
  return {index};
}

std::string name_of(const DeviceChoice& choice) {
  return choice.cuda ? "cuda:" + std::to_string(*choice.cuda) : "cpu";
}

std::unique_ptr<nn::Runtime> make_cuda_runtime(int index, int threads, nn::Format rows,
                                               const std::string& kernels) {
  std::unique_ptr<nn::Device> device = open_plugin().open(index);
  kernels::Choice choice = kernels::Choice::parse(kernels, "kernels", device->machine());
  return std::make_unique<nn::DeviceRuntime>(std::move(device), threads, std::move(choice),
                                             row_type_of(rows));
}

void check_memory(const nn::Runtime& runtime, std::int64_t bytes, const nn::ReadAs& as) {
  const auto memory = runtime.memory();
  if (!memory || as.values != nn::Values::read || bytes <= memory->free) return;
  const bool wide = runtime.row_type() == at::kFloat;
  throw Error(ErrorCode::out_of_memory,
              "the weights take " + gigabytes(bytes) + ", but of the device's " +
                  gigabytes(memory->total) + " only " + gigabytes(memory->free) + " are free",
              wide ? "hold them as bf16 or f16, or choose another device"
                   : "hold the language model's as q8 or q4, or choose another device");
}

}  // namespace instructblip
