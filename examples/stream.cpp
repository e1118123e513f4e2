// Prints an answer while it grows, and ends it after its first sentence.
//
//   stream CHECKPOINT_DIR PICTURE INSTRUCTION
#include <instructblip/pipeline.h>

#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::cerr << "usage: stream CHECKPOINT_DIR PICTURE INSTRUCTION\n";
    return 2;
  }
  const auto pipeline = instructblip::Pipeline::load(argv[1]);
  const auto picture = instructblip::Image::open(argv[2]);

  instructblip::Control control;
  control.on_token = [](const instructblip::TokenEvent& event) {
    std::cout << event.text << std::flush;  // whole characters, often none
    return event.text.ends_with('.') ? instructblip::Flow::stop : instructblip::Flow::go;
  };
  const auto answer = pipeline.generate(picture, argv[3], {.max_new_tokens = 60}, control);
  std::cout << "\n(" << answer.tokens().size() << " tokens, " << to_string(answer.finish_reason())
            << ")\n";
} catch (const instructblip::Error& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
