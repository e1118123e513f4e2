// How pictures and instructions make requests.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/pictures.h"
#include "cli/session.h"

namespace instructblip::cli {

// The pictures of one request, or the frames of a video, whose name is the only one then.
struct Shown {
  std::vector<std::string> names;
  std::vector<Image> images;
  double decode_ms = 0;
  bool is_video = false;
  std::vector<std::int64_t> places = {};  // places of the frames in the video

  instructblip::Pictures pictures() const {
    return is_video ? instructblip::Pictures(Video(images)) : instructblip::Pictures(images);
  }
  Subject subject(std::optional<std::string> instruction = {}) const {
    return {names, std::move(instruction), /*are_features=*/false, is_video, places};
  }
};

// How many <image> each instruction has, their template's included. Checks the instructions as far
// as they alone can be. Throws Failure(usage): that too, or where not all have the same number.
std::size_t marks_of(const Pipeline& pipeline, const std::vector<std::string>& instructions,
                     const std::string& command);

// How many pictures make one request: all of them for a video model, but each video is one; as many
// as the instructions have <image> each where that is several, and then all; else one. Throws
// Failure(usage), as marks_of().
std::size_t pictures_of_a_request(const Pipeline& pipeline,
                                  const std::vector<std::string>& instructions,
                                  const PictureList& pictures, const std::string& command);

// The same where no instruction has a say.
std::size_t pictures_that_go_together(const Pipeline& pipeline, const PictureList& list);

// Warns where the pictures of one request come from a folder in an order that may not be meant.
void warn_of_order(Session& session, const PictureList& list, std::size_t pictures_of_a_request);

// The pictures from `first` on, `count` of them; none where they were passed over.
std::optional<Shown> take(Session& session, Pictures& pictures, std::size_t first,
                          std::size_t count);

// Calls `answer` with the pictures of each request, `each` of them; ends early where Ctrl-C was
// typed or nobody reads what is printed.
template <typename Answer>
ExitCode for_each_request(Session& session, Pictures& pictures, std::size_t each, Answer&& answer) {
  for (std::size_t first = 0; first < pictures.size(); first += each) {
    std::optional<Shown> shown = take(session, pictures, first, each);
    if (shown && !session.interrupt.requested()) answer(std::move(*shown));
    if (session.interrupt.requested()) return ExitCode::interrupted;
    if (session.output.closed()) return ExitCode::success;
  }
  return session.end();
}

}  // namespace instructblip::cli
