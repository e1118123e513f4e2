#include "core/cuda_driver.h"

#include <dlfcn.h>

#include <array>
#include <filesystem>
#include <system_error>

#include "core/errors.h"
#include "core/module.h"

namespace instructblip {
namespace {

// CUDA 13.0 is what LibTorch 2.11 is built with; kernels are compiled for these devices and later.
constexpr int kLeastVersion = 13000;
constexpr int kLeastCapability = 80;

// Names and numbers of the driver's interface: CUDA Driver API, cuda.h.
constexpr int kNoDevice = 100;                               // CUDA_ERROR_NO_DEVICE
constexpr int kCapabilityMajor = 75, kCapabilityMinor = 76;  // CUdevice_attribute

// A function of the driver; what it returns is 0 or an error.
template <typename... Arguments>
struct Function {
  int (*call)(Arguments...) = nullptr;

  Function(void* library, const char* name)
      : call(reinterpret_cast<int (*)(Arguments...)>(::dlsym(library, name))) {}
};

struct Functions {
  explicit Functions(void* library)
      : init(library, "cuInit"),
        version(library, "cuDriverGetVersion"),
        count(library, "cuDeviceGetCount"),
        device(library, "cuDeviceGet"),
        name(library, "cuDeviceGetName"),
        memory(library, "cuDeviceTotalMem_v2"),
        attribute(library, "cuDeviceGetAttribute") {}

  bool complete() const {
    return init.call && version.call && count.call && device.call && name.call && memory.call &&
           attribute.call;
  }

  Function<unsigned> init;
  Function<int*> version;
  Function<int*> count;
  Function<int*, int> device;
  Function<char*, int, int> name;
  Function<std::size_t*, int> memory;
  Function<int*, int, int> attribute;
};

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string capability_text(int capability) {
  return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
}

CudaDevice look_at(const Functions& driver, int index) {
  CudaDevice found;
  int device = 0, major = 0, minor = 0;
  std::array<char, 256> name{};
  std::size_t memory = 0;
  if (driver.device.call(&device, index) != 0) return found;
  driver.name.call(name.data(), static_cast<int>(name.size()) - 1, device);
  driver.memory.call(&memory, device);
  driver.attribute.call(&major, kCapabilityMajor, device);
  driver.attribute.call(&minor, kCapabilityMinor, device);
  return {name.data(), major * 10 + minor, static_cast<std::int64_t>(memory)};
}

}  // namespace

CudaDriver examine_cuda_driver(const char* library) {
  CudaDriver found;
  void* const handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const why = ::dlerror();
    found.problem = "no NVIDIA driver: " + printable(why == nullptr ? library : why);
    return found;
  }
  const Functions driver(handle);
  if (!driver.complete()) {
    found.problem = "the NVIDIA driver lacks functions that every driver has";
    return found;
  }
  const int error = driver.init.call(0);
  if (error != 0) {
    found.problem = error == kNoDevice
                        ? "the NVIDIA driver finds no device"
                        : "the NVIDIA driver does not start: error " + std::to_string(error);
    return found;
  }
  int count = 0;
  driver.version.call(&found.version);
  driver.count.call(&count);
  if (found.version < kLeastVersion) {
    found.problem = "the NVIDIA driver supports CUDA " + version_text(found.version) +
                    ", expected " + version_text(kLeastVersion) + " or newer";
    return found;
  }
  for (int i = 0; i < count; ++i) found.devices.push_back(look_at(driver, i));
  if (count == 0) found.problem = "the NVIDIA driver finds no device";
  return found;
}

std::string cuda_plugin_place() { return module_place("libinstructblip_cuda.so"); }

CudaObstacle cuda_obstacle(int index, const CudaDriver& driver, const std::string& plugin) {
  std::error_code none;
  if (!std::filesystem::exists(plugin, none)) {
    return {
        "this library was built without its part for CUDA: " + printable(plugin) + ": no such file",
        "choose cpu or auto, or build with INSTRUCTBLIP_WITH_CUDA"};
  }
  if (!driver.problem.empty()) {
    return {driver.problem, "choose cpu or auto; nvidia-smi shows whether the driver works"};
  }
  const auto count = static_cast<int>(driver.devices.size());
  if (index >= count) {
    return {"there is no cuda:" + std::to_string(index) + ", expected cuda:0" +
                (count > 1 ? " to cuda:" + std::to_string(count - 1) : ""),
            "instructblip doctor lists the devices"};
  }
  const CudaDevice& device = driver.devices[static_cast<std::size_t>(index)];
  if (device.capability < kLeastCapability) {
    return {"cuda:" + std::to_string(index) + ", " + printable(device.name) +
                ", has compute capability " + capability_text(device.capability) + ", expected " +
                capability_text(kLeastCapability) + " or higher",
            "choose another device, or cpu"};
  }
  return {};
}

}  // namespace instructblip
