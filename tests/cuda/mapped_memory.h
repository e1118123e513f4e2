// Memory that both the processor and the device read and write, at one address: what the tests of
// kernels keep in vectors.
#pragma once

namespace instructblip::test {

// From now on operator new takes all of it from one piece of such memory. Errors: what CUDA says.
void open_mapped_memory();

}  // namespace instructblip::test
