// Stands for another LibTorch in a program: what would be taken for ours if the two met, the
// registry of operators by its function, and by the static of an inline function, which a process
// has once.
namespace c10 {

class Dispatcher {
 public:
  static Dispatcher& realSingleton();
  static Dispatcher& singleton() {
    static Dispatcher& s = realSingleton();
    return s;
  }
};

Dispatcher& Dispatcher::realSingleton() {
  static char nothing_that_works[4096];
  return reinterpret_cast<Dispatcher&>(nothing_that_works);
}

}  // namespace c10

const void* const at_start = &c10::Dispatcher::singleton();
