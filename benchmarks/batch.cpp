// Requests answered together against the same requests one by one, in turns: medians, and whether
// the tokens are the same.
//
//   batch CHECKPOINT_DIR PICTURE [REQUESTS] [TOKENS] [ROUNDS] [BEAMS] [deterministic]
#include <instructblip/pipeline.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace instructblip;

// Prompts of different lengths, answers of one.
std::vector<Request> requests(const Image& image, int count, int tokens, int beams) {
  std::vector<Request> all;
  std::string instruction = "What is this?";
  for (int i = 0; i < count; ++i) {
    GenerationConfig options;
    options.num_beams = beams;
    options.max_new_tokens = tokens;
    options.min_new_tokens = tokens;
    all.push_back({image, instruction, options});
    instruction = "Please look, " + instruction;
  }
  return all;
}

using Tokens = std::vector<std::vector<std::int32_t>>;

template <typename Answer>
double seconds(Tokens& tokens, Answer&& answer) {
  const auto start = std::chrono::steady_clock::now();
  tokens = answer();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::cerr << "usage: batch CHECKPOINT_DIR PICTURE [REQUESTS] [TOKENS] [ROUNDS] [BEAMS] "
                 "[deterministic]\n";
    return 2;
  }
  const auto number = [&](int at, int otherwise) {
    return argc > at ? std::atoi(argv[at]) : otherwise;
  };
  const int count = number(3, 8), tokens = number(4, 32), rounds = std::max(1, number(5, 5));
  const bool deterministic = argc > 7;
  // No cache: both ways would find the picture there from the second round on.
  const auto pipeline = Pipeline::load(argv[1], {.deterministic = deterministic, .cache_bytes = 0});
  const auto all = requests(Image::open(argv[2]), count, tokens, number(6, 1));

  std::vector<double> alone, together;
  bool equal = true;
  for (int round = 0; round <= rounds; ++round) {  // the first one warms up
    Tokens one_by_one, batched;
    const double a = seconds(one_by_one, [&] {
      Tokens out;
      for (const Request& request : all) {
        out.push_back(
            pipeline.generate(request.pictures, request.instruction, request.options).tokens());
      }
      return out;
    });
    const double b = seconds(batched, [&] {
      Tokens out;
      for (const Response& response : pipeline.generate(all)) {
        out.push_back(response.generation.value().tokens());
      }
      return out;
    });
    equal = equal && one_by_one == batched;
    if (round == 0) continue;
    alone.push_back(a);
    together.push_back(b);
  }
  std::printf(
      "%d requests of %d tokens, %d threads%s: one by one %.2f s, together %.2f s, ratio "
      "%.2f, tokens %s\n",
      count, tokens, pipeline.info().threads, deterministic ? ", deterministic" : "", median(alone),
      median(together), median(alone) / median(together), equal ? "equal" : "DIFFERENT");
  return equal ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
