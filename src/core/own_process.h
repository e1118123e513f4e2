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

// Deletes what has threads of its own where it was made. In a child it stays for good: its threads
// would be waited for, and a device works for the parent alone.
class DeleteInOwnProcess {
 public:
  template <typename T>
  void operator()(const T* object) const {
    if (process_.is_this()) delete object;
  }

 private:
  OwnProcess process_;
};

}  // namespace instructblip
