import COpenSSL
import Glibc

/// A fixed number of threads that run closures; results are delivered through a mailbox.
final class WorkerPool<Message: Sendable>: @unchecked Sendable {
  private var mutex = pthread_mutex_t()
  private var workAvailable = pthread_cond_t()
  private var mailAvailable = pthread_cond_t()
  private var work: [@Sendable () -> Message] = []
  private var mail: [Message] = []
  private var closing = false
  private var threads: [pthread_t] = []
  private let stackBytes: Int

  /// - Parameter stackBytes: parsers and libraries need more than some defaults.
  ///
  /// If not all threads can be started, those that could be started do the work.
  init(threads count: Int, stackBytes: Int = 16 << 20) throws(StageError) {
    self.stackBytes = stackBytes
    pthread_mutex_init(&mutex, nil)
    pthread_cond_init(&workAvailable, nil)
    initializeMonotonic(&mailAvailable)
    for _ in 0..<count {
      guard let thread = startThread(stackBytes: stackBytes, { self.loop() }) else { break }
      threads.append(thread)
    }
    guard !threads.isEmpty else {
      throw StageError(
        .environment, "", "no thread can be started: a limit on threads or memory is reached",
        hint: "Increase the limits of this shell (`ulimit -u`, `ulimit -v`).")
    }
  }

  /// Discards queued work and ends the threads.
  /// - Parameter wait: false leaves threads that are stuck in a call until the process ends.
  func close(wait: Bool = true) {
    pthread_mutex_lock(&mutex)
    closing = true
    pthread_cond_broadcast(&workAvailable)
    pthread_mutex_unlock(&mutex)
    for thread in threads {
      if wait { pthread_join(thread, nil) } else { pthread_detach(thread) }
    }
    threads = []
  }

  /// The number of threads, including stuck ones.
  var count: Int { threads.count }

  /// Starts one more thread to replace a stuck one, if possible.
  func replaceThread() {
    if let thread = startThread(stackBytes: stackBytes, { self.loop() }) { threads.append(thread) }
  }

  func submit(_ body: @escaping @Sendable () -> Message) {
    pthread_mutex_lock(&mutex)
    work.append(body)
    pthread_cond_signal(&workAvailable)
    pthread_mutex_unlock(&mutex)
  }

  /// All messages received, or none after the timeout.
  func receive(timeoutNanoseconds: Int) -> [Message] {
    pthread_mutex_lock(&mutex)
    defer { pthread_mutex_unlock(&mutex) }
    if mail.isEmpty {
      let until = monotonicNanoseconds() + timeoutNanoseconds
      var deadline = timespec(tv_sec: until / 1_000_000_000, tv_nsec: until % 1_000_000_000)
      pthread_cond_timedwait(&mailAvailable, &mutex, &deadline)
    }
    defer { mail.removeAll(keepingCapacity: true) }
    return mail
  }

  private func loop() {
    while true {
      pthread_mutex_lock(&mutex)
      while work.isEmpty && !closing { pthread_cond_wait(&workAvailable, &mutex) }
      if closing {
        pthread_mutex_unlock(&mutex)
        return
      }
      let body = work.removeFirst()
      pthread_mutex_unlock(&mutex)
      let message = body()
      pthread_mutex_lock(&mutex)
      mail.append(message)
      pthread_cond_signal(&mailAvailable)
      pthread_mutex_unlock(&mutex)
    }
  }
}

private func initializeMonotonic(_ condition: inout pthread_cond_t) {
  var attributes = pthread_condattr_t()
  pthread_condattr_init(&attributes)
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
  pthread_cond_init(&condition, &attributes)
}

private final class ThreadBody {
  let run: () -> Void
  init(_ run: @escaping () -> Void) { self.run = run }
}

/// Nil if the thread cannot be started.
private func startThread(stackBytes: Int, _ body: @escaping () -> Void) -> pthread_t? {
  var attributes = pthread_attr_t()
  pthread_attr_init(&attributes)
  pthread_attr_setstacksize(&attributes, stackBytes)
  var thread = pthread_t()
  let context = Unmanaged.passRetained(ThreadBody(body)).toOpaque()
  let result = pthread_create(
    &thread, &attributes,
    { raw in
      Unmanaged<ThreadBody>.fromOpaque(raw!).takeRetainedValue().run()
      return nil
    }, context)
  guard result == 0 else {
    Unmanaged<ThreadBody>.fromOpaque(context).release()
    return nil
  }
  return thread
}
