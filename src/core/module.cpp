#include "core/module.h"

#include <dlfcn.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "core/errors.h"
#include "core/processors.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

// The folder of the library, or of the program, that this function is a part of.
fs::path own_folder() {
  Dl_info info{};
  fs::path file = "/proc/self/exe";
  // A program's name may be relative to a folder that it has left since.
  if (::dladdr(reinterpret_cast<const void*>(&own_folder), &info) != 0 &&
      info.dli_fname != nullptr && fs::path(info.dli_fname).extension() != "" &&
      fs::path(info.dli_fname).is_absolute()) {
    file = info.dli_fname;
  }
  std::error_code none;
  const fs::path real = fs::canonical(file, none);
  return (real.empty() ? file : real).parent_path();
}

// Tests and programs that hold the library's objects themselves lie in bin/ beside lib/.
fs::path place_of(const char* file) {
  const fs::path folder = own_folder();
  fs::path beside = folder / "instructblip" / file;
  std::error_code none;
  if (fs::exists(beside, none)) return beside;
  const fs::path sibling = folder.parent_path() / "lib" / "instructblip" / file;
  return fs::exists(sibling, none) ? sibling : beside;
}

int flags_for(const char* rival) {
  constexpr int kFlags = RTLD_LOCAL | RTLD_NODELETE;
  if (rival == nullptr || ::dlsym(RTLD_DEFAULT, rival) == nullptr) return kFlags | RTLD_LAZY;
  // All symbols at once: one that the other copy lacks is then an error here, and not later the end
  // of the process.
  return kFlags | RTLD_NOW | RTLD_DEEPBIND;
}

// MKL, which LibTorch multiplies with, ends the process where there is none.
void check_working_directory() {
  std::error_code fault;
  const fs::path here = fs::current_path(fault);
  if (!fault) return;
  throw Error(ErrorCode::not_found,
              "the working directory: expected one that exists, got: " + fault.message(),
              "change to another directory");
}

// What LibTorch registers while it is opened ends the process where there is no memory for it.
void check_address_space() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  constexpr std::uint64_t kMegabyte = 1 << 20, kNeeded = 600 * kMegabyte;
  const std::uint64_t used = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (limit.rlim_cur >= used + kNeeded) return;
  throw Error(ErrorCode::out_of_memory,
              "address space: expected a limit of " + std::to_string((used + kNeeded) / kMegabyte) +
                  " MiB at least, which opening LibTorch takes, got " +
                  std::to_string(limit.rlim_cur / kMegabyte) + " MiB",
              "raise the limit (ulimit -v)");
}

}  // namespace

std::string module_place(const char* file) { return place_of(file).string(); }

void* open_module(const ModuleName& name) {
  const fs::path file = place_of(name.file);
  std::error_code none;
  if (!fs::exists(file, none)) {
    throw Error(ErrorCode::not_found,
                printable(file.string()) + ": no such file, expected a part of this library",
                "install the library whole: the folder `instructblip` belongs beside it");
  }
  check_working_directory();
  check_address_space();
  // With OMP_PROC_BIND the OpenMP library of LibTorch puts the thread that loads it on one core,
  // and all that it starts later would run there, and count one core.
  const KeepCpus keep;
  void* const handle = ::dlopen(file.c_str(), flags_for(name.rival));
  void* const symbol = handle == nullptr ? nullptr : ::dlsym(handle, name.symbol);
  if (symbol != nullptr) return symbol;
  const char* const why = ::dlerror();
  throw Error(ErrorCode::unsupported, printable(file.string()) + ": cannot be loaded: " +
                                          printable(why == nullptr ? "unknown reason" : why));
}

}  // namespace instructblip
