// Memory that the host may touch while the device works, and at no other time.
#pragma once

#include <c10/core/Allocator.h>

#include <cstddef>
#include <vector>

namespace instructblip {

// Its memory ends a program that reads or writes it but within a Working.
c10::Allocator& stand_in_allocator();

// The device works as long as there is one.
class Working {
 public:
  Working();
  ~Working();
  Working(const Working&) = delete;
  Working& operator=(const Working&) = delete;
};

struct Stretch {
  void* address;
  std::size_t bytes;
};
// While there is a list, memory that is given out is noted in it, and belongs to its owner as well:
// nobody else is given it before release_stand_in_memory().
void note_stand_in_memory(std::vector<Stretch>* list);
// All that the device holds, and the same again.
std::vector<std::byte> all_of_stand_in_memory();
void restore_stand_in_memory(const std::vector<std::byte>& all);
void release_stand_in_memory(const std::vector<Stretch>& list);

}  // namespace instructblip
