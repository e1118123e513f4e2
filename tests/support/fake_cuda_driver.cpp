// What a test opens in place of NVIDIA's driver: its functions answer what FAKE_CUDA says, four
// numbers "error of cuInit, CUDA version, devices, compute capability".
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

struct Answers {
  int error = 0, version = 0, devices = 0, capability = 0;

  Answers() {
    const char* const text = std::getenv("FAKE_CUDA");
    if (text != nullptr) std::sscanf(text, "%d %d %d %d", &error, &version, &devices, &capability);
  }
};

constexpr int kMajor = 75;

}  // namespace

extern "C" {

int cuInit(unsigned) { return Answers().error; }
int cuDriverGetVersion(int* version) {
  *version = Answers().version;
  return 0;
}
int cuDeviceGetCount(int* count) {
  *count = Answers().devices;
  return 0;
}
int cuDeviceGet(int* device, int index) {
  *device = index;
  return 0;
}
int cuDeviceGetName(char* name, int size, int device) {
  std::snprintf(name, static_cast<std::size_t>(size), "Fake %d", device);
  return 0;
}
int cuDeviceTotalMem_v2(std::size_t* bytes, int device) {
  *bytes = (std::size_t{10} + static_cast<std::size_t>(device)) << 30;
  return 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
  *value = attribute == kMajor ? Answers().capability / 10 : Answers().capability % 10;
  return 0;
}

}  // extern "C"
