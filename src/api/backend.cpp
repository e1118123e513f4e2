#include "api/backend.h"

#include "core/module.h"

// Weak: a program may hold the stages itself, as tests do. Where neither it nor the library does,
// there is no such function, and the module is opened.
extern "C" __attribute__((weak)) const instructblip::Backend* instructblip_backend(int version);

namespace instructblip {
namespace {

using Entry = const Backend* (*)(int);

constexpr ModuleName kStages = {
    .file = "libinstructblip_stages.so",
    .symbol = "instructblip_backend",
    .rival = "_ZN3c1010Dispatcher13realSingletonEv",  // c10::Dispatcher::realSingleton()
};

Entry entry() {
  if (instructblip_backend != nullptr) return instructblip_backend;
  return reinterpret_cast<Entry>(open_module(kStages));
}

const Backend& opened() {
  const Backend* const found = entry()(kBackendVersion);
  if (found != nullptr) return *found;
  throw Error(ErrorCode::unsupported,
              std::string(kStages.file) + ": is of another version of the library than " +
                  std::string(version()),
              "install the library whole: the folder `instructblip` belongs beside it");
}

}  // namespace

const Backend& backend() {
  static const Backend& all = opened();  // tried again where it threw
  return all;
}

}  // namespace instructblip
