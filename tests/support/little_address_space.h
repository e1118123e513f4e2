// A process that may take little memory more.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace instructblip::test {

// Room for the stacks of a few threads more, until it ends.
class LittleAddressSpace {
 public:
  LittleAddressSpace() {
    rlim_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    ::getrlimit(RLIMIT_AS, &before_);
    const rlimit little{pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + (64 << 20),
                        before_.rlim_max};
    ::setrlimit(RLIMIT_AS, &little);
  }
  ~LittleAddressSpace() { ::setrlimit(RLIMIT_AS, &before_); }
  LittleAddressSpace(const LittleAddressSpace&) = delete;
  LittleAddressSpace& operator=(const LittleAddressSpace&) = delete;

 private:
  rlimit before_{};
};

}  // namespace instructblip::test
