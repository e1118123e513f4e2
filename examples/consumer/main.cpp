// Asks about a picture that OpenCV has read.
//
//   consumer CHECKPOINT_DIR PICTURE INSTRUCTION
#include <instructblip/adapters/opencv.h>
#include <instructblip/pipeline.h>

#include <iostream>
#include <opencv2/imgcodecs.hpp>

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::cerr << "usage: consumer CHECKPOINT_DIR PICTURE INSTRUCTION\n";
    return 2;
  }
  const auto pipeline = instructblip::Pipeline::load(argv[1]);
  const cv::Mat picture = cv::imread(argv[2]);
  std::cout << pipeline.generate(instructblip::image_from_bgr(picture), argv[3]).text() << '\n';
} catch (const instructblip::Error& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
