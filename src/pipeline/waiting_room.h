// Room for what waits: so many at most, and so many bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

namespace instructblip {

// Threads: every function, and a place's destructor, may be called from any thread at once.
class WaitingRoom {
 public:
  WaitingRoom(std::size_t places, std::int64_t bytes) : most_{places, bytes} {}

  // Given back when it goes. Must not outlive the room.
  class Place {
   public:
    Place() = default;  // no room is taken
    Place(Place&& other) noexcept
        : room_(std::exchange(other.room_, nullptr)), bytes_(other.bytes_) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(room_, other.room_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Place() { give_back(); }
    void give_back() noexcept;

   private:
    friend class WaitingRoom;
    Place(WaitingRoom* room, std::int64_t bytes) : room_(room), bytes_(bytes) {}

    WaitingRoom* room_ = nullptr;
    std::int64_t bytes_ = 0;
  };

  // More bytes than the room has are taken in where no others are: they would have to be refused
  // for ever otherwise. Errors: busy.
  Place take(std::int64_t bytes);

  std::int64_t bytes() const;     // in all places
  std::uint64_t refused() const;  // for want of room

 private:
  struct Count {
    std::size_t places;
    std::int64_t bytes;
  };

  const Count most_;
  mutable std::mutex mutex_;
  Count taken_ = {0, 0};
  std::uint64_t refused_ = 0;
};

}  // namespace instructblip
