// A directory that appears whole or not at all.
#pragma once

#include <filesystem>

namespace instructblip {

// Filled under a temporary name beside `final`, and renamed at the end. Where the process dies in
// between, only the temporary directory stays: ".<name>.XXXXXX".
class NewDirectory {
 public:
  // Throws Error: invalid_argument where there is anything under the name but an empty directory,
  // io where none can be made.
  explicit NewDirectory(const std::filesystem::path& final);
  // Removes what was not finished.
  ~NewDirectory();
  NewDirectory(const NewDirectory&) = delete;
  NewDirectory& operator=(const NewDirectory&) = delete;

  // Where to write.
  const std::filesystem::path& path() const { return temporary_; }
  // Gives it its name. Throws Error(io), also where something has come under the name meanwhile.
  void finish();

 private:
  std::filesystem::path final_, temporary_;
};

}  // namespace instructblip
