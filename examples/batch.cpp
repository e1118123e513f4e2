// Asks the same question about many pictures; one that cannot be answered does not stop the others.
//
//   batch CHECKPOINT_DIR INSTRUCTION PICTURE...
#include <instructblip/pipeline.h>

#include <iostream>
#include <vector>

int main(int argc, char** argv) try {
  if (argc < 4) {
    std::cerr << "usage: batch CHECKPOINT_DIR INSTRUCTION PICTURE...\n";
    return 2;
  }
  const auto pipeline = instructblip::Pipeline::load(argv[1]);

  std::vector<instructblip::Request> requests;
  for (int i = 3; i < argc; ++i) {
    requests.push_back({.pictures = instructblip::Image::open(argv[i]),
                        .instruction = argv[2],
                        .options = {.max_new_tokens = 30}});
  }
  const std::vector<instructblip::Response> responses = pipeline.generate(requests);

  bool complete = true;
  for (std::size_t i = 0; i < responses.size(); ++i) {
    const instructblip::Response& response = responses[i];
    complete = complete && response.generation.has_value();
    std::cout << argv[3 + i] << ": "
              << (response.generation ? response.generation->text() : response.error->what())
              << '\n';
  }
  return complete ? 0 : 1;
} catch (const instructblip::Error& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
