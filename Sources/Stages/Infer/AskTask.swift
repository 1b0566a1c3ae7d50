import NetKit
import PipelineKit
import ShardKit

/// Phase `ask`: sends one file's documents to the endpoint on several threads, and writes the answers in their order.
final class AskTask {
  private let options: InferEndpoint.Options
  private let workspace: Workspace
  private let service: ChatService
  private let window = AskWindow()
  private let form: ChatForm
  private let reader: AnswerReader
  private let filler: PromptFiller
  private var threads: [BackgroundThread] = []

  private struct Pending {
    var id: [UInt8]
    var bytes: Int
    /// nil while it is being asked.
    var answer: AskedAnswer?
  }

  /// Of requests that wait or are being asked.
  private static let mostBytes = 64 << 20

  init(_ options: InferEndpoint.Options, _ workspace: Workspace, _ service: ChatService) throws {
    self.options = options
    self.workspace = workspace
    self.service = service
    form = options.form
    reader = try options.reading.reader()
    filler = PromptFiller(try options.prompt.templates(workspace.task.inputs))
  }

  static func fileName(_ key: String) -> String { "\(key).jsonl.zst" }

  func run() throws {
    let lost = service.takeLost()
    workspace.warn(
      "lost-requests", times: lost,
      "requests were in flight when an earlier run was killed; they count with the most that they may have cost")
    let name = Self.fileName(workspace.task.key)
    let file = try workspace.file(InferEndpoint.answers, name)
    let sink = ZstdSink(file, level: 1)
    do {
      defer { end() }
      try askAll(to: sink)
    } catch is BudgetUsed {
      throw budgetUsed()
    }
    report()
    try workspace.publish(InferEndpoint.answers, file, through: sink, name: name)
  }

  private func askAll(to sink: ZstdSink) throws {
    let total = workspace.files(.main).reduce(0) { $0 + $1.documents }
    let stream = workspace.documents(counted: false)
    var pending: [Pending] = []
    var count = UnusableCount(options.limits, total: total)
    var (submitted, written, bytes, hasMore) = (0, 0, 0, true)
    let most = options.limits.requestsAtOnce * 2
    var document = Document()
    while true {
      while hasMore, pending.count < most, bytes < Self.mostBytes {
        hasMore = try stream.next(&document)
        guard hasMore else { break }
        let next = try prepare(document, number: submitted)
        bytes += next.bytes
        pending.append(next)
        submitted += 1
      }
      guard !pending.isEmpty else { break }
      let next = pending.removeFirst()
      let answer = try next.answer ?? taken(written)
      bytes -= next.bytes
      written += 1
      try count.take(answer, id: next.id)
      warn(of: answer, id: next.id)
      try sink.write(answer.line(id: next.id))
      show(written, of: total)
    }
    try count.finish()
  }

  /// Of documents that other limits might have kept; they are dropped in the next phase.
  private func warn(of answer: AskedAnswer, id: [UInt8]) {
    let lost = [DropReason.unanswered, DropReason.rejected, DropReason.contextTooLong]
    guard case .drop(let reason) = answer, lost.contains(reason.name) else { return }
    let detail = reason.detail.map { ": \($0)" } ?? ""
    workspace.warn(reason.name, "'\(String(decoding: id, as: UTF8.self))' got no answer\(detail)")
  }

  /// Waits for the answer to a document.
  private func taken(_ number: Int) throws -> AskedAnswer {
    while true {
      try workspace.control.checkStop()
      if let answer = try window.take(number) { return answer }
    }
  }

  // MARK: Requests

  /// Hands a document to the threads, unless it is clear without them that it has no answer.
  private func prepare(_ document: Document, number: Int) throws -> Pending {
    var pending = Pending(id: document.id, bytes: 0)
    var text = document.text[...]
    let maximum = options.prompt.maximumText.bytes
    if maximum > 0, text.count > maximum {
      guard options.prompt.longTexts == .cut else {
        pending.answer = .drop(.tooLarge(text.count, maximum: maximum))
        return pending
      }
      text = text[..<Self.end(of: document.text, within: maximum)]
    }
    var parts: [[UInt8]] = []
    for filled in filler.fill(document, text: text) {
      switch filled {
      case .text(let bytes): parts.append(bytes)
      case .missing(let field):
        pending.answer = .drop(DropReason(DropReason.missingField, detail: field))
        return pending
      }
    }
    pending.bytes = parts[0].count + parts[1].count
    try startThread()
    window.submit(AskWindow.Job(number: number, request: form.request(system: parts[0], prompt: parts[1])))
    return pending
  }

  /// The last place at or before `limit` that is between two characters.
  private static func end(of text: [UInt8], within limit: Int) -> Int {
    var end = limit
    while end > 0, text[end] & 0xC0 == 0x80 { end -= 1 }
    return end
  }

  // MARK: Threads

  /// One more thread for one more request, until there are as many as requests may be in flight.
  private func startThread() throws {
    guard threads.count < options.limits.requestsAtOnce else { return }
    let (options, control, service, window, reader) = (options, workspace.control, service, window, reader)
    let thread = BackgroundThread(stackBytes: 1 << 20) {
      do {
        let http = try options.access.client(options.limits, control)
        let client = ChatClient(service, http: http) { control.shouldStop || window.isClosed }
        let asking = Asking(client: client, reader: reader, attempts: options.reading.answerAttempts)
        defer { window.add(client.tally) }
        while let job = window.next() { window.finish(job.number, try asking.answer(job.request)) }
      } catch {
        window.fail(error)
      }
    }
    if let thread { threads.append(thread) }
    guard !threads.isEmpty else {
      throw StageError(
        .environment, "", "no thread can be started: a limit on threads or memory is reached",
        hint: "Increase the limits of this shell (`ulimit -u`, `ulimit -v`).")
    }
  }

  /// Waits for what is in flight: it is paid for.
  private func end() {
    window.close()
    for thread in threads { thread.join() }
  }

  // MARK: Reports

  private func budgetUsed() -> StageError {
    let (limits, spent) = (options.limits, service.budget.spent)
    let isTokens =
      limits.budgetTokens > 0
      && (limits.budgetCost == 0
        || Double(spent.tokens) / Double(limits.budgetTokens)
          >= spent.cost / limits.budgetCost)
    let used =
      isTokens
      ? "\(spent.tokens) of \(limits.budgetTokens) tokens" : "\(trimmed(spent.cost, 6)) of \(limits.budgetCost)"
    return StageError(
      .options, isTokens ? "budgetTokens" : "budgetCost",
      "the budget does not allow the next request: \(used) are spent, and it could cost more than the rest",
      hint: "Raise the budget and run again: kept answers are not asked for again.")
  }

  private func show(_ written: Int, of total: Int) {
    guard total > 0, written % 16 == 0 || written == total else { return }
    let spent = service.budget.spent
    let cost = spent.cost > 0 ? ", \(trimmed(spent.cost, 4)) spent" : ""
    workspace.control.report(
      TaskStatus(
        fraction: Double(written) / Double(total),
        text: "\(written) of \(total) documents, \(spent.tokens) tokens\(cost)"))
  }

  private func report() {
    let tally = window.tally
    workspace.metric("requests", Double(tally.requests))
    workspace.metric("keptAnswers", Double(tally.reused))
    workspace.metric("inputTokens", Double(tally.spent.inputTokens))
    workspace.metric("outputTokens", Double(tally.spent.outputTokens))
    if tally.spent.cost > 0 { workspace.metric("cost", tally.spent.cost) }
    for (why, times) in tally.repeated.sorted(by: { $0.key < $1.key }) {
      workspace.warn("asked-again", times: times, "requests were repeated: the endpoint was \(why)")
    }
  }
}

/// Asks for one document until there is a usable answer.
private struct Asking {
  let client: ChatClient
  let reader: AnswerReader
  let attempts: Int

  func answer(_ request: ChatRequest) throws -> AskedAnswer {
    var problem = ""
    for attempt in 1...attempts {
      switch try client.answer(request, attempt: attempt) {
      case .overBudget: throw BudgetUsed()
      case .unanswered(let why): return .drop(.unusable(DropReason.unanswered, why))
      case .rejected(let why): return .drop(.unusable(DropReason.rejected, why))
      case .tooLong(let why): return .drop(.unusable(DropReason.contextTooLong, why))
      case .answer(let answer):
        if let reason = Self.reason(answer) { return .drop(reason) }
        guard case .unusable(let why) = reader.read(answer.content) else { return .content(answer.content) }
        problem = why
      }
    }
    return .drop(.unusable(DropReason.invalid, problem))
  }

  /// Why an answer is none; asking again would not help.
  private static func reason(_ answer: ChatAnswer) -> DropReason? {
    switch answer.ending {
    case .complete: nil
    case .cut: DropReason(DropReason.cut)
    case .refused: .unusable(DropReason.refused, answer.detail)
    case .filtered: .unusable(DropReason.filtered, answer.detail)
    }
  }
}

/// The next request could exceed the budget.
struct BudgetUsed: Error {}
