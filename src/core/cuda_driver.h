// The CUDA devices of this machine, as NVIDIA's driver names them: asked without CUDA's libraries.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace instructblip {

struct CudaDevice {
  std::string name;         // "NVIDIA H100 80GB HBM3"
  int capability = 0;       // 90 stands for compute capability 9.0
  std::int64_t memory = 0;  // bytes in all
};

struct CudaDriver {
  std::string problem;  // why there are no devices; empty where there are some
  int version = 0;      // the newest CUDA that it supports, 13000 for 13.0
  std::vector<CudaDevice> devices = {};
};

// Opens the driver's library, which stays open, and asks it. May be called from any thread.
CudaDriver examine_cuda_driver(const char* library = "libcuda.so.1");

// What `--device cuda` needs besides a driver: our own part for CUDA, a file that may be missing.
std::string cuda_plugin_place();

// Why the device of this index cannot be used, with the next step in `hint`; empty where it can.
struct CudaObstacle {
  std::string reason, hint;
  explicit operator bool() const { return !reason.empty(); }
};
CudaObstacle cuda_obstacle(int index, const CudaDriver& driver, const std::string& plugin);

}  // namespace instructblip
