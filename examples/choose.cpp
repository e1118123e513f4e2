// Chooses among given answers: multiple choice, or a picture's class among labels.
//
//   choose CHECKPOINT_DIR PICTURE QUESTION ANSWER ANSWER...
#include <instructblip/pipeline.h>

#include <iostream>
#include <string>
#include <vector>

int main(int argc, char** argv) try {
  if (argc < 6) {
    std::cerr << "usage: choose CHECKPOINT_DIR PICTURE QUESTION ANSWER ANSWER...\n";
    return 2;
  }
  const auto pipeline = instructblip::Pipeline::load(argv[1]);
  const auto picture = instructblip::Image::open(argv[2]);
  const std::vector<std::string> answers(argv + 4, argv + argc);
  for (const auto& candidate : pipeline.rank(picture, argv[3], answers)) {
    std::cout << candidate.probability << ' ' << answers[candidate.index] << '\n';
  }
} catch (const instructblip::Error& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
