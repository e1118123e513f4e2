// Finds the pictures that a text describes: a search by encodings, then a closer look at the best.
//
//   search CHECKPOINT_DIR TEXT PICTURE...
#include <instructblip/retrieval.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <vector>

int main(int argc, char** argv) try {
  if (argc < 4) {
    std::cerr << "usage: search CHECKPOINT_DIR TEXT PICTURE...\n";
    return 2;
  }
  const auto matcher = instructblip::ImageTextMatcher::load(argv[1]);

  struct Found {
    const char* file;
    instructblip::ImageEncoding picture;  // made once, good for any number of texts
    float similarity;
    double match = 0;
  };
  const instructblip::TextEncoding text = matcher.encode(argv[2]);
  std::vector<Found> found;
  for (int i = 3; i < argc; ++i) {
    auto picture = matcher.encode(instructblip::Image::open(argv[i]));
    found.push_back({argv[i], picture, matcher.similarity(picture, text)});
  }
  std::ranges::sort(found, std::greater(), &Found::similarity);

  constexpr std::size_t kLookedAt = 10;
  found.resize(std::min(found.size(), kLookedAt), found.front());
  for (Found& one : found) one.match = matcher.match(one.picture, text).probability;
  std::ranges::sort(found, std::greater(), &Found::match);
  for (const Found& one : found) {
    std::cout << one.match << ' ' << one.similarity << ' ' << one.file << '\n';
  }
} catch (const instructblip::Error& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
