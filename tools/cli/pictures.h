// The pictures of a command.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "instructblip/image.h"

namespace instructblip::cli {

struct Picture {
  Image image;
  double decode_ms = 0;
};

// Picture files, all of them decoded once before anything is answered: a file that is missing or
// damaged ends the command while standard output is still empty.
class Pictures {
 public:
  // Throws Failure.
  Pictures(std::vector<std::string> files, const ImageOptions& options);

  std::size_t size() const { return files_.size(); }
  // Decodes again what was too much to keep.
  Picture get(std::size_t index) const;

 private:
  Picture open(const std::string& file) const;

  std::vector<std::string> files_;
  ImageOptions options_;
  std::vector<Picture> kept_;  // the first ones, as many as fit
};

}  // namespace instructblip::cli
