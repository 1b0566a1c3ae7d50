import Glibc
import PipelineKit
import ShardKit

/// A running program that answers frames. Used by one task at a time.
final class CommandProcess: @unchecked Sendable {
  /// What came of waiting for a frame.
  enum Answer {
    /// The bytes of the frame, with `JSONObjectReader.padding` zeros behind them.
    case frame(Frame.Header, [UInt8])
    /// The program has ended; so many bytes of a frame that is not whole came before.
    case ended(SupervisedProgram.Ending, partialBytes: Int)
    case late
    /// What it wrote is no frame, or a larger one than is allowed.
    case broken(String)
  }

  let program: SupervisedProgram
  /// Its GPUs; they are held as long as it is there.
  let devices: DeviceSlots.Hold?
  /// Of the last frame that was sent.
  private(set) var lastNumber = 0
  var isReady = false
  private let mask: SecretMask
  /// It lives as long as the program.
  private let folder: ProgramFolder

  /// How long a program may take to end itself after its last frame.
  static let patienceMilliseconds = 5000

  init(
    _ options: ProgramOptions, folder: ProgramFolder, devices: DeviceSlots.Hold?, format: FrameFormat = .json
  ) throws {
    self.folder = folder
    self.devices = devices
    mask = SecretMask(options.secrets)
    var variables = ProgramEnvironment.variables(options, folder, devices: devices?.visible)
    variables["PIPELINE_FRAMES"] = "3,4"
    variables["PIPELINE_FORMAT"] = format.rawValue
    program = try SupervisedProgram(
      .init(
        options.command, environment: variables, folder: folder.path, memoryBytes: options.memory.bytes,
        supervisor: try WorkerProcess.program()))
  }

  /// Whoever gets its GPUs next must not meet it there.
  deinit { program.stop() }

  /// - Returns: the frame's number.
  func send(_ batch: DocumentBatch) throws -> Int {
    let payload = try batch.payload()
    lastNumber += 1
    program.send(Frame.header("documents", number: lastNumber, count: batch.count, bytes: payload.count))
    program.send(payload)
    return lastNumber
  }

  /// Waits for the next frame.
  /// - Parameter deadline: in nanoseconds of the monotonic clock.
  /// - Throws: `StageError` (`.cancelled`, `.timedOut`).
  func answer(until deadline: Int, mostBytes: Int, _ control: TaskControl) throws -> Answer {
    program.mostReceived = mostBytes + Frame.longestHeader
    while true {
      switch Frame.readHeader(program.received[...]) {
      case .broken(let text): return .broken("it does not begin with a frame's header, but with '\(text)'")
      case .header(let header):
        if header.bytes > mostBytes {
          return .broken(
            "it announces \(header.bytes) bytes, more than 'maximumAnswer' (\(ByteCount(mostBytes))) allows")
        }
        if program.received.count >= header.length + header.bytes { return take(header) }
      case .incomplete: break
      }
      if let ending = program.ending, program.outputEnded {
        return .ended(ending, partialBytes: program.received.count)
      }
      // Its output is closed for good, so it has nothing more to say.
      if program.outputEnded { return try closed(until: deadline, control) }
      let left = deadline - monotonicNanoseconds()
      guard left > 0 else { return .late }
      try control.check()
      program.exchange(waitMilliseconds: min(200, left / 1_000_000 + 1))
    }
  }

  /// An ending program closes its output a moment before its end is known, which a busy machine may take long to tell.
  private func closed(until deadline: Int, _ control: TaskControl) throws -> Answer {
    let deadline = min(deadline, monotonicNanoseconds() + 60_000_000_000)
    while program.ending == nil, monotonicNanoseconds() < deadline {
      try control.check()
      program.exchange(waitMilliseconds: 100)
    }
    if let ending = program.ending { return .ended(ending, partialBytes: program.received.count) }
    return .broken("its end of the pipe was closed")
  }

  private func take(_ header: Frame.Header) -> Answer {
    let end = header.length + header.bytes
    var bytes = Array(program.received[header.length..<end])
    bytes.append(contentsOf: repeatElement(0, count: JSONObjectReader.padding))
    program.received.removeSubrange(..<end)
    return .frame(header, bytes)
  }

  /// The last lines that it printed, for messages.
  var lastWords: String {
    let lines = String(decoding: mask.masking(program.lastPrinted), as: UTF8.self).split(whereSeparator: \.isNewline)
    return lines.suffix(1).joined().trimmed(to: 300)
  }
}

extension SupervisedProgram.Ending {
  /// What happened, as the end of a sentence.
  var words: String {
    switch self {
    case .exited(let code): "ended with code \(code)"
    case .signaled(let number): "was ended by signal \(number) (\(String(cString: strsignal(number))))"
    case .memory(let bytes): "used \(bytes >> 20) MiB, more memory than 'memory' allows, and was stopped"
    case .cannotStart(let number): "cannot be started: \(String(cString: strerror(number)))"
    case .stopped: "was stopped"
    case .lost: "was lost with its supervisor, which was killed"
    }
  }
}

extension String {
  /// Its beginning.
  fileprivate func trimmed(to count: Int) -> String { self.count > count ? prefix(count) + "…" : self }
}
