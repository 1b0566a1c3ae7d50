import Glibc
import PipelineKit
import ShardKit
import Synchronization

/// Exports the metrics of a run while it works: to a file, from a port, as log lines. None of this can hold up the run.
final class MetricsExporter: Sendable {
  private enum Interval {
    static let file = 5_000_000_000
    static let lines = 60_000_000_000
    static let machine = 15_000_000_000
    static let gpus = 15_000_000_000
    /// After `nvidia-smi` has failed.
    static let gpusAfterFailure = 300_000_000_000
    /// For the last figures.
    static let closing = 10_000_000_000
  }

  /// That of the agent's metrics in Operations/aws; CloudWatch tells capitals from small letters.
  private static let namespace = "Pipeline"

  private let store: String
  private let metrics: Mutex<RunMetrics>
  private let machine: Mutex<MachineFigures>
  private let gpus = Mutex(GPUFigures())
  private let isClosing = Monitor(false)
  /// Threads that have ended.
  private let ended = Monitor(0)
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
    let probe = Self.partial(path)
    do {
      try FileSystem.write([], to: probe)
      try FileSystem.remove(probe)
    } catch  where error.code == .notFound {
      throw ShardError(
        .io, path, "cannot be written: its folder takes no files", hint: "Choose a folder on a disk.")
    } catch {
      throw ShardError(error.code, path, error.message, hint: error.hint)
    }
    sinks.withLock { $0.file = path }
  }

  private static func partial(_ path: String) -> String { "\(path).\(getpid()).part" }

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
  /// - Parameter watchesGPUs: whether the work is this machine's; others have exporters of their own.
  func start(watchesGPUs: Bool = true) {
    var threads = [thread { $0.keepUp() }]
    if watchesGPUs, GPUFigures.isAvailable { threads.append(thread { $0.watchGPUs() }) }
    sinks.withLock { $0.threads = threads.compactMap(\.self) }
  }

  private func thread(_ work: @escaping @Sendable (MetricsExporter) -> Void) -> BackgroundThread? {
    BackgroundThread { [self] in
      work(self)
      ended.with { $0 += 1 }
    }
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
    let server = sinks.withLock { $0.server }
    endThreads()
    let hasBegun = metrics.withLock { $0.began != nil }
    let until = monotonicNanoseconds() + (hasBegun ? linger * 1_000_000_000 : 0)
    while server != nil, monotonicNanoseconds() < until, !isInterrupted() { usleep(50_000) }
    server?.close()
  }

  // MARK: Threads

  /// Lets the last figures be written. Disks that do not answer are waited for no longer than that.
  private func endThreads() {
    let threads = sinks.withLock { $0.threads }
    let all = ended.wait(atMostNanoseconds: Interval.closing, wake: false) { $0 == threads.count ? true : nil }
    if all == nil { tellOnce("closing", "the last metrics were not written: their disk does not answer") }
    for thread in threads { if all == nil { thread.detach() } else { thread.join() } }
  }

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
    machine.withLock { $0 = MachineFigures(store: store) }
    writeFile()
    writeLines()
  }

  private func watchGPUs() {
    while !isClosed {
      do {
        let figures = try GPUFigures.measured { [self] in isClosed }
        gpus.withLock { $0 = figures }
        pause(nanoseconds: Interval.gpus)
      } catch {
        gpus.withLock { $0 = GPUFigures() }
        if !isClosed, GPUFigures.hasDevice { tellOnce("gpus", "the GPUs are not among the metrics: \(error)") }
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
    let partial = Self.partial(path)
    do {
      try FileSystem.write(Array(text.utf8), to: partial)
      // The scraper is another user than this one, whose umask may hide files from others.
      guard chmod(partial, 0o644) == 0, rename(partial, path) == 0 else {
        throw FileSystem.error(path, "cannot be written")
      }
    } catch {
      try? FileSystem.remove(partial)
      tellOnce("file", "the metrics were not written: \(error)")
    }
  }

  private func writeLines() {
    guard let lines = sinks.withLock({ $0.lines }) else { return }
    let text = EmbeddedMetrics.lines(
      families, namespace: Self.namespace, host: hostName(), now: wallSeconds())
    do { try lines.append(text) } catch { tellOnce("lines", "the metrics were not written: \(error)") }
  }

  private func tellOnce(_ sink: String, _ sentence: String) {
    guard sinks.withLock({ $0.told.insert(sink).inserted }) else { return }
    Console.warning(sentence)
  }
}
