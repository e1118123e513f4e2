// The process that something with threads of its own was made in.
#pragma once

#include <sys/types.h>
#include <unistd.h>

namespace instructblip {

// A child that fork() made has copies of all objects, and none of their threads: whoever is about
// to wait for one asks first whether it can ever come.
class OwnProcess {
 public:
  bool is_this() const noexcept { return ::getpid() == id_; }
  // Errors: unsupported, in a child of it.
  void require() const;

 private:
  ::pid_t id_ = ::getpid();
};

}  // namespace instructblip
