// Questions that come while others are being answered: they join the running batch. The picture is
// encoded once for all of them.
//
//   queue CHECKPOINT_DIR PICTURE < QUESTIONS      one on each line
#include <instructblip/engine.h>

#include <future>
#include <iostream>
#include <string>
#include <vector>

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::cerr << "usage: queue CHECKPOINT_DIR PICTURE < QUESTIONS\n";
    return 2;
  }
  const auto pipeline = instructblip::Pipeline::load(argv[1]);
  const auto picture = instructblip::Image::open(argv[2]);
  instructblip::Engine engine(pipeline, {.max_rows = 8, .max_waiting = 100'000});

  std::vector<std::string> questions;
  std::vector<std::future<instructblip::Response>> answers;
  for (std::string line; std::getline(std::cin, line);) {
    if (line.ends_with('\r')) line.pop_back();  // a line end of Windows
    answers.push_back(engine.submit(
        {.pictures = picture, .instruction = line, .options = {.max_new_tokens = 20}}));
    questions.push_back(std::move(line));
  }
  bool complete = true;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const instructblip::Response response = answers[i].get();
    complete = complete && response.generation.has_value();
    std::cout << questions[i] << ' '
              << (response.generation ? response.generation->text() : response.error->what())
              << '\n';
  }
  const instructblip::CacheUsage cache = pipeline.cache().vision;
  std::cerr << answers.size() << " answers, " << engine.stats().passes
            << " passes, picture encoded " << cache.misses << " time(s)\n";
  return complete ? 0 : 1;
} catch (const instructblip::Error& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
