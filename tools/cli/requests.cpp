#include "cli/requests.h"

namespace instructblip::cli {

std::size_t marks_of(const Pipeline& pipeline, const std::vector<std::string>& instructions,
                     const std::string& command) {
  std::optional<int> marks;
  for (const std::string& instruction : instructions) {
    const int count =
        during(Stage::request, [&] { return pipeline.tokenize(instruction).image_marks; });
    if (marks.value_or(count) != count) {
      throw Failure(ExitCode::usage, command + ": an instruction has " + std::to_string(*marks) +
                                         " <image> and another one " + std::to_string(count) +
                                         ", expected the same number in all of them\n  hint: ask "
                                         "them in commands of their own");
    }
    marks = count;
  }
  return static_cast<std::size_t>(marks.value_or(0));
}

std::size_t pictures_of_a_request(const Pipeline& pipeline,
                                  const std::vector<std::string>& instructions,
                                  const PictureList& list, const std::string& command) {
  const std::size_t pictures = list.names.size();
  if (list.are_videos) return 1;
  const std::size_t marks = marks_of(pipeline, instructions, command);
  if (pipeline.info().pictures_are_frames) return pictures;
  if (marks <= 1) return 1;
  if (marks == pictures) return pictures;
  throw Failure(
      ExitCode::usage,
      command + ": the instruction has " + std::to_string(marks) +
          " <image>, expected as many pictures, got " + std::to_string(pictures) +
          (pictures < marks
               ? "\n  hint: name a picture for each <image>, in order"
               : "\n  hint: all pictures of a command make one request where the instruction has "
                 "several <image>; ask about others in commands of their own"));
}

std::size_t pictures_that_go_together(const Pipeline& pipeline, const PictureList& list) {
  return pipeline.info().pictures_are_frames && !list.are_videos ? list.names.size() : 1;
}

void warn_of_order(Session& session, const PictureList& list, std::size_t pictures_of_a_request) {
  if (pictures_of_a_request < 2 || list.falling_numbers.empty()) return;
  session.warn("the pictures of a folder are taken in the order of the bytes of their names, " +
               list.falling_numbers + "; give their numbers the same width to have them in order");
}

std::optional<Shown> take(Session& session, Pictures& pictures, std::size_t first,
                          std::size_t count) {
  Shown shown;
  shown.is_video = pictures.list().are_videos;
  for (std::size_t i = first; i < first + count; ++i) shown.names.push_back(pictures.name(i));
  const bool taken = session.attempt(shown.subject(), [&] {
    for (std::size_t i = first; i < first + count; ++i) {
      Picture picture = pictures.take(i);
      shown.images.insert(shown.images.end(), picture.images.begin(), picture.images.end());
      shown.places = std::move(picture.places);
      shown.decode_ms += picture.decode_ms;
    }
  });
  if (!taken) return std::nullopt;
  return shown;
}

}  // namespace instructblip::cli
