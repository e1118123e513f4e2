// Describes a picture.
//
//   caption CHECKPOINT_DIR PICTURE
#include <instructblip/pipeline.h>

#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::cerr << "usage: caption CHECKPOINT_DIR PICTURE\n";
    return 2;
  }
  const auto pipeline = instructblip::Pipeline::load(argv[1]);
  const auto picture = instructblip::Image::open(argv[2]);

  const auto answer = pipeline.generate(
      picture, "A short image description:", {.max_new_tokens = 30, .num_beams = 5});
  std::cout << answer.text() << '\n';
} catch (const instructblip::Error& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
