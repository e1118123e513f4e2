// Asks several questions about one picture, which is encoded once.
//
//   ask CHECKPOINT_DIR PICTURE QUESTION...
#include <instructblip/pipeline.h>

#include <iostream>

int main(int argc, char** argv) try {
  if (argc < 4) {
    std::cerr << "usage: ask CHECKPOINT_DIR PICTURE QUESTION...\n";
    return 2;
  }
  const auto pipeline = instructblip::Pipeline::load(argv[1]);

  // The vision encoder, the dearest stage for short answers, knows nothing of the question.
  const instructblip::ImageFeatures features = pipeline.encode(instructblip::Image::open(argv[2]));

  for (int i = 3; i < argc; ++i) {
    const auto answer = pipeline.generate(features, argv[i], {.max_new_tokens = 20});
    std::cout << answer.text() << '\n';
  }
} catch (const instructblip::Error& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
