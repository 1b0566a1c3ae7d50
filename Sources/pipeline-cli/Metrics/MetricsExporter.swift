import Glibc
import PipelineKit
import ShardKit
import Synchronization

/// Exports the metrics of a run while it works: to a file, from a port, as log lines. Nothing of it can hold up the run.
final class MetricsExporter: Sendable {
  private enum Interval {
    static let file = 5_000_000_000
    static let lines = 60_000_000_000
    static let machine = 15_000_000_000
    static let gpus = 15_000_000_000
    /// After `nvidia-smi` has failed.
    static let gpusAfterFailure = 300_000_000_000
  }

  private static let namespace = "pipeline"

  private let store: String
  private let metrics: Mutex<RunMetrics>
  private let machine: Mutex<MachineFigures>
  private let gpus = Mutex(GPUFigures())
  private let isClosing = Monitor(false)
  private let sinks = Mutex(Sinks())

  private struct Sinks {
    var file: String?
    var lines: AppendedLines?
    var server: MetricsServer?
    var threads: [BackgroundThread] = []
    /// Each sink's problems are told once.
    var told: Set<String> = []
  }

  /// - Parameters:
  ///   - pipeline: the document's name, a label of every sample.
  ///   - store: the store's folder, whose disk is watched.
  init(pipeline: String, store: String) {
    self.store = store
    metrics = Mutex(RunMetrics(pipeline: pipeline))
    machine = Mutex(MachineFigures(store: store))
  }

  // MARK: Opening

  /// Keeps a file up to date from the run's first event on.
  /// - Throws: `ShardError` if a file cannot be written there.
  func write(to path: String) throws {
    let folder = path.contains("/") ? ArchivePath.folder(of: path) : "."
    guard FileSystem.isDirectory(folder.isEmpty ? "/" : folder) else {
      throw ShardError(
        .notFound, path, "cannot be written: its folder does not exist",
        hint: "Create it; it is the one that node_exporter's --collector.textfile.directory names.")
    }
    // What an earlier run left stays until this one begins.
    let probe = "\(path).\(getpid()).probe"
    try FileSystem.write([], to: probe)
    try FileSystem.remove(probe)
    sinks.withLock { $0.file = path }
  }

  /// Appends lines of CloudWatch's embedded metric format to a file, or to standard output ("-").
  /// - Throws: `ShardError` if the file cannot be opened.
  func append(to path: String) throws {
    let lines = try AppendedLines(path)
    sinks.withLock { $0.lines = lines }
  }

  /// Opens a port for scrapers.
  /// - Returns: its URL.
  /// - Throws: `RunError` if the port cannot be opened.
  func open(address: String, port: Int) throws -> String {
    let server = try MetricsServer(address: address, port: port) { [weak self] in self?.text() ?? "" }
    sinks.withLock { $0.server = server }
    return server.url
  }

  /// Starts the threads that measure and write.
  func start() {
    var threads = [BackgroundThread { [self] in keepUp() }]
    if GPUFigures.isAvailable { threads.append(BackgroundThread { [self] in watchGPUs() }) }
    sinks.withLock { $0.threads = threads.compactMap(\.self) }
  }

  // MARK: The run

  func handle(_ event: RunEvent) { metrics.withLock { $0.handle(event, now: wallSeconds()) } }

  /// Writes the last figures and closes what is open.
  /// - Parameters:
  ///   - linger: seconds for which the port stays open.
  ///   - isInterrupted: ends the lingering.
  func close(linger: Int = 0, isInterrupted: () -> Bool = { false }) {
    // For a run that ended by an error of its own.
    metrics.withLock { $0.end(.failed, now: wallSeconds()) }
    isClosing.with { $0 = true }
    let (threads, server) = sinks.withLock { ($0.threads, $0.server) }
    for thread in threads { thread.join() }
    machine.withLock { $0 = MachineFigures(store: store) }
    writeFile()
    writeLines()
    let hasBegun = metrics.withLock { $0.began != nil }
    let until = monotonicNanoseconds() + (hasBegun ? linger * 1_000_000_000 : 0)
    while server != nil, monotonicNanoseconds() < until, !isInterrupted() { usleep(50_000) }
    server?.close()
  }

  // MARK: Threads

  private var isClosed: Bool { isClosing.with(wake: false) { $0 } }

  private func pause(nanoseconds: Int) {
    _ = isClosing.wait(atMostNanoseconds: nanoseconds, wake: false) { $0 ? true : nil }
  }

  private func keepUp() {
    var next = (file: 0, lines: 0, machine: monotonicNanoseconds() + Interval.machine)
    while !isClosed {
      let now = monotonicNanoseconds()
      if now >= next.machine {
        machine.withLock { $0 = MachineFigures(store: store) }
        next.machine = now + Interval.machine
      }
      // Another run may work on the store, and write this file, until this one has begun.
      if metrics.withLock({ $0.began != nil }) {
        if now >= next.file {
          writeFile()
          next.file = now + Interval.file
        }
        if now >= next.lines {
          writeLines()
          next.lines = now + Interval.lines
        }
      }
      pause(nanoseconds: 200_000_000)
    }
  }

  private func watchGPUs() {
    while !isClosed {
      do {
        let figures = try GPUFigures.measured { [self] in isClosed }
        gpus.withLock { $0 = figures }
        pause(nanoseconds: Interval.gpus)
      } catch {
        gpus.withLock { $0 = GPUFigures() }
        if !isClosed { tellOnce("gpus", "the GPUs are not among the metrics: \(error)") }
        pause(nanoseconds: Interval.gpusAfterFailure)
      }
    }
  }

  // MARK: Output

  private var families: [MetricFamily] {
    let run = metrics.withLock { $0 }
    let own = run.families(now: wallSeconds())
    guard !own.isEmpty else { return [] }
    let others = machine.withLock { $0.families } + gpus.withLock { $0.families } + TrainingFigures.families(run)
    return own + others.map { run.labeled($0) }
  }

  private func text() -> String { families.map(\.text).joined() }

  private func writeFile() {
    guard let path = sinks.withLock({ $0.file }) else { return }
    let text = text()
    guard !text.isEmpty else { return }
    do { try FileSystem.write(Array(text.utf8), to: path) } catch {
      tellOnce("file", "the metrics were not written: \(error)")
    }
  }

  private func writeLines() {
    guard let lines = sinks.withLock({ $0.lines }) else { return }
    let text = EmbeddedMetrics.lines(families, namespace: Self.namespace, now: wallSeconds())
    do { try lines.append(text) } catch { tellOnce("lines", "the metrics were not written: \(error)") }
  }

  private func tellOnce(_ sink: String, _ sentence: String) {
    guard sinks.withLock({ $0.told.insert(sink).inserted }) else { return }
    Console.warning(sentence)
  }
}

/// Lines that are appended to a file, each at once, or written to standard output between those of the program.
final class AppendedLines: Sendable {
  private let path: String
  private let descriptor: Int32

  private static let standardOutput = "-"

  /// - Throws: `ShardError` if the file cannot be opened.
  init(_ path: String) throws(ShardError) {
    self.path = path
    guard path != Self.standardOutput else {
      descriptor = -1
      return
    }
    descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be written") }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// - Throws: `ShardError` if the file cannot be written.
  func append(_ lines: [String]) throws(ShardError) {
    for line in lines {
      guard descriptor >= 0 else {
        Console.standardOutput(line + "\n")
        continue
      }
      let bytes = Array((line + "\n").utf8)
      var done = 0
      while done < bytes.count {
        let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + done, bytes.count - done) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw FileSystem.error(path, "cannot be written") }
        done += count
      }
    }
  }
}
