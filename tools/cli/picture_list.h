// Which pictures or videos are meant: from --image, --images-from and --video to names of files.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "options/settings.h"

namespace instructblip::cli {

using options::PictureSource;

struct PictureList {
  std::vector<std::string> names;  // "-" stands for standard input
  bool are_videos = false;         // names are those of videos, or of folders with their frames
  // Whether every picture has an --image of its own: the order of the others is not on the command
  // line.
  bool spelled_out = true;
  // "10.png before 2.png" where numbers in the names of a folder fall from one to the next.
  std::string falling_numbers;
};

// A folder stands for the files in it that are named as pictures, those of its folders left out, in
// the order of the bytes of their names; what else is in it is told to `warn`. Lines of a list name
// pictures and folders, relative to the working directory as those of --image; empty ones are
// skipped. Throws Failure: usage for a list, and for pictures beside videos; image for a folder
// that cannot be read or has no picture.
PictureList list_pictures(const std::vector<PictureSource>& sources,
                          const std::function<void(const std::string&)>& warn);

}  // namespace instructblip::cli
