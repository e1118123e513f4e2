// Built with what pkg-config says and nothing else; asks the installed library to do something that
// can fail.
#include <instructblip/pipeline.h>
#include <instructblip/version.h>

#include <iostream>

int main() {
  try {
    instructblip::Pipeline::load("/nonexistent");
  } catch (const instructblip::Error& error) {
    std::cout << instructblip::version() << ' ' << to_string(error.code()) << '\n';
    return 0;
  }
  return 1;
}
