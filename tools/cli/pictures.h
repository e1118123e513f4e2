// The pictures of a command.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/picture_list.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "instructblip/image.h"
#include "instructblip/video.h"

namespace instructblip::cli {

struct Picture {
  std::vector<Image> images;         // one, or the frames of a video
  std::vector<std::int64_t> places;  // their places in the video, from 0
  double decode_ms = 0;
};

// Throws Failure(usage) where no video could be read as `settings` ask.
void check_video_options(const Settings& settings);

// The frames of a video file, or of a folder that holds them as pictures, which `settings` ask for;
// of several `names` all, which are pictures. Throws Error, Failure.
Picture read_video(const std::vector<std::string>& names, const Settings& settings);
// The files that are read for it. Throws Failure.
std::vector<std::string> files_of_video(const std::vector<std::string>& names);

// What --image, --images-from and --video name. Throws Failure.
PictureList list_pictures(Session& session);

// Picture files, or videos, each decoded once. Before anything is answered the first ones are
// decoded, as many as may be held, and the heads of the others are looked at: so a file that is
// missing or no picture ends the command while standard output is still empty, and so does one of
// the first that is damaged. With --keep-going each is only looked at when its turn comes.
class Pictures {
 public:
  // Throws Failure.
  Pictures(PictureList list, Session& session);

  std::size_t size() const { return list_.names.size(); }
  const std::string& name(std::size_t index) const { return list_.names[index]; }
  const PictureList& list() const { return list_; }

  // To be called once for each picture, in order. Throws Failure.
  Picture take(std::size_t index);

 private:
  void look_ahead(Progress& progress);
  Picture open(const std::string& name) const;
  Image decode(const std::string& name) const;
  void check(const std::string& name) const;
  // Does `work` about a picture; what is wrong with it leaves as a Failure that says how to go on.
  template <typename Work>
  auto reading(Work&& work) const;

  PictureList list_;
  const Settings& settings_;
  std::string way_on_;  // a hint
  // What came from standard input and from pipes of the shell, <(...), by their names.
  std::map<std::string, std::string> piped_;
  std::vector<Picture> held_;  // the first ones, until they are taken
};

}  // namespace instructblip::cli
