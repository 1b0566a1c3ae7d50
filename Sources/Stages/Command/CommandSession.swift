import PipelineKit
import ShardKit

/// One task's documents on their way through a program: batches out, verdicts back, in order.
///
/// Two batches are on their way, so that the program has one while the other one's verdicts are written. When it dies,
/// what is not answered is sent again to a new process, the first batch in halves.
final class CommandSession {
  private struct Sent {
    var number: Int
    var batch: DocumentBatch
    var nanoseconds: Int
  }

  private let options: CommandDocuments.Options
  private let workspace: Workspace
  private let pool: CommandPool
  private let start: (DeviceSlots.Hold?) throws -> CommandProcess
  private let stream: DocumentStream
  private var verdicts: VerdictWriter?
  private var process: CommandProcess?
  /// The GPUs of a process that has died, for the one that follows it.
  private var devices: DeviceSlots.Hold?
  private var again: [DocumentBatch] = []
  private var sent: [Sent] = []
  private var answered = 0
  private var lost = 0
  private var restarts = 0
  private var isAtEnd = false
  private let prints: ProgramLog
  private let mask: SecretMask

  private static let onTheWay = 2

  init(
    _ options: CommandDocuments.Options, _ workspace: Workspace, pool: CommandPool,
    start: @escaping (DeviceSlots.Hold?) throws -> CommandProcess
  ) throws {
    self.options = options
    self.workspace = workspace
    self.pool = pool
    self.start = start
    stream = workspace.documents()
    prints = ProgramLog(workspace, secrets: options.program.secrets)
    mask = SecretMask(options.program.secrets)
    verdicts = try VerdictWriter(
      workspace, to: CommandDocuments.answered, mostBytes: options.maximumAnswer.bytes, mask: mask
    ) { [unowned self] document, error in
      try lose(document, "command-failed", "failed: \(error)")
    }
  }

  /// Runs all documents through the program.
  /// - Throws: `StageError` for a program that does not start, breaks the protocol, or dies at too many documents.
  func run() throws {
    do {
      while try sendNext() || !sent.isEmpty { try receive() }
    } catch {
      process?.program.stop()
      throw error
    }
    if let process { pool.give(process) }
    verdicts?.finish()
    if restarts > 0 { workspace.metric("command-restarts", Double(restarts)) }
  }

  // MARK: Sending

  /// Sends as much as may be on its way.
  /// - Returns: false if there is nothing left to send.
  private func sendNext() throws -> Bool {
    while sent.count < Self.onTheWay {
      guard let batch = try nextBatch() else { return false }
      let process = try running()
      sent.append(Sent(number: try process.send(batch), batch: batch, nanoseconds: monotonicNanoseconds()))
    }
    return true
  }

  private func nextBatch() throws -> DocumentBatch? {
    if !again.isEmpty { return again.removeFirst() }
    var batch = DocumentBatch(options.frames)
    while !isAtEnd, batch.count < options.batch, batch.bytes < options.batchBytes.bytes {
      guard let document = try stream.next() else {
        isAtEnd = true
        break
      }
      batch.append(document)
    }
    return batch.count > 0 ? batch : nil
  }

  /// The process, which is ready.
  private func running() throws -> CommandProcess {
    if let process { return process }
    let process =
      try devices.map { try start($0) } ?? pool.process(options.program.gpus, workspace.control, start: start)
    devices = nil
    self.process = process
    process.program.onPrint = { [prints] in prints.write($0) }
    guard !process.isReady else { return process }
    let deadline = monotonicNanoseconds() + Int(options.startTimeoutSeconds * 1e9)
    switch try process.answer(until: deadline, mostBytes: 1 << 16, workspace.control) {
    case .frame(let header, _):
      let wanted = options.frames.greeting
      guard header.kind == wanted, header.number == Frame.version else {
        let kind = Frame.shown(header.kind.utf8)
        throw broken("first frame", "it should be '\(wanted) \(Frame.version) 0 0', not '\(kind) \(header.number)'")
      }
    case .broken(let what): throw broken("first frame", what)
    case .late:
      throw StageError(
        .check, name, "it was not ready \(Self.seconds(options.startTimeoutSeconds)) after its start\(said)",
        hint: "Does it write 'ready 1 0 0' to descriptor 4? Increase 'startTimeoutSeconds' if it loads for longer.")
    case .ended(let ending, _): throw notReady(ending)
    }
    process.isReady = true
    return process
  }

  private func notReady(_ ending: SupervisedProgram.Ending) -> StageError {
    if case .cannotStart = ending {
      return StageError(
        .check, name, "it \(ending.words)",
        hint: "A name without slash has to be in PATH; a path has to be among 'files', or absolute, and executable.")
    }
    return StageError(
      .check, name, "it \(ending.words) before it was ready\(said)",
      hint: "It runs in a folder with its 'files' alone, and with the environment variables in 'variables'.")
  }

  // MARK: Receiving

  private func receive() throws {
    guard let process, let first = sent.first else { return }
    let began = max(first.nanoseconds, answered)
    let deadline = began + Int(options.batchTimeoutSeconds * 1e9)
    switch try process.answer(until: deadline, mostBytes: options.maximumAnswer.bytes, workspace.control) {
    case .frame(let header, let bytes):
      answered = monotonicNanoseconds()
      try check(header, first)
      if let problem = try verdicts?.write(bytes, of: first.batch) { throw broken("frame \(first.number)", problem) }
      sent.removeFirst()
    case .broken(let what): throw broken("frame \(first.number)", what)
    case .late:
      try recover(first, "command-timed-out", "did not answer within \(Self.seconds(options.batchTimeoutSeconds))")
    case .ended(.exited(0), let partialBytes):
      let cut = partialBytes > 0 ? ", with \(partialBytes) bytes of a frame that is not whole" : ""
      throw broken("frame \(first.number)", "it ended with code 0 before it answered\(cut)")
    case .ended(let ending, _): try recover(first, "command-died", ending.words)
    }
  }

  private func check(_ header: Frame.Header, _ first: Sent) throws {
    guard header.kind == "verdicts", header.number == first.number, header.count == first.batch.count else {
      throw broken(
        "frame \(first.number)",
        "the header should begin 'verdicts \(first.number) \(first.batch.count)', not "
          + "'\(Frame.shown(header.kind.utf8)) \(header.number) \(header.count)'")
    }
  }

  /// Sends what is not answered to another process; what ended this one is in the first batch.
  private func recover(_ first: Sent, _ reason: String, _ how: String) throws {
    let said = said
    prints.note("the program \(how) at frame \(first.number); it is started again")
    process?.program.stop()
    devices = process?.devices
    process = nil
    restarts += 1
    let rest = sent.dropFirst().map(\.batch)
    sent = []
    if first.batch.count > 1 {
      again = first.batch.halves + rest + again
    } else {
      again = rest + again
      try lose(first.batch.documents[0], reason, how + said)
    }
  }

  private func lose(_ document: Document, _ reason: String, _ how: String) throws {
    lost += 1
    guard lost <= options.maximumDied else {
      let other = lost == 1 ? "" : ", after \(lost - 1) others of this file"
      throw StageError(
        .check, name, "it \(how), at the document '\(document.idString)' alone\(other)",
        hint: "Repair the program for this document, or increase 'maximumDied' to drop such documents.")
    }
    try workspace.drop(document, DropReason(reason, detail: String(how.prefix(500))))
    workspace.warn(reason, "'\(document.idString)' was dropped, because the program \(how)")
  }

  // MARK: Messages

  private var name: String {
    let text = options.program.command.joined(separator: " ")
    return text.count > 80 ? text.prefix(80) + "…" : text
  }

  /// ": the last line that it printed".
  private var said: String {
    let words = process?.lastWords ?? ""
    return words.isEmpty ? "" : ": \(words)"
  }

  private func broken(_ place: String, _ what: String) -> StageError {
    StageError(
      .check, name, "it broke the protocol in its \(place): \(mask.masking(what))\(said)",
      hint: "The guide 'own-programs' has the frames and verdicts; the Python package writes them for you.")
  }

  private static func seconds(_ seconds: Double) -> String { "\(JSONValue.number(seconds).text()) s" }
}
