// Where launches on a device go.
#pragma once

#include <functional>
#include <string_view>

namespace instructblip::kernels::cuda {

// Puts a kernel into a stream, a cudaStream_t. `overlaps_previous`: see dev::LaunchConfig. Returns
// 0, or the cudaError_t. It owns sizes and addresses, so that it can be called again as long as the
// memory is there.
using Launcher = std::function<int(void* stream, bool overlaps_previous)>;

// Work of one device in the order in which it is handed over.
class Stream {
 public:
  virtual ~Stream() = default;

  // Hands over, and does not wait. Throws Error where the device refuses `kernel`, a name like
  // "attention".
  virtual void launch(std::string_view kernel, Launcher launcher) = 0;
};

}  // namespace instructblip::kernels::cuda
