import NetKit
public import PipelineKit
import ShardKit

/// Sends documents to a language model behind an OpenAI-compatible endpoint, and turns its answers into metadata, new
/// texts or drops: scoring, labelling, rewriting.
///
/// `ask` writes one line per document with its answer. Each answer is kept in the stage's state folder by the digest of
/// its request, so nothing is asked twice, whatever is killed or changed later. `apply` reads documents and answers
/// together, and needs no network: another threshold asks nothing.
public struct InferEndpoint: Stage {
  public struct Options: StageOptions {
    @Option(
      "The endpoint's URL, such as https://host/v1; requests go to URL/chat/completions.", required: true,
      affectsOutput: false)
    public var endpoint = ""
    @Option("The model's name, as the endpoint knows it.", required: true) public var model = ""
    @OptionGroup public var prompt = PromptOptions()
    @OptionGroup public var sampling = SamplingOptions()
    @OptionGroup public var reading = AnswerOptions()
    @OptionGroup public var use = AnswerUseOptions()
    @OptionGroup public var limits = InferLimitOptions()
    @OptionGroup public var access = EndpointOptions()

    public init() {}
  }

  public enum AnswerForm: String, CaseIterable, OptionChoice { case text, code, json }

  public static let name = "infer.endpoint"
  public static let revision = 1
  public static let summary =
    "Scores, labels or rewrites documents with a language model behind an OpenAI-compatible endpoint."
  static let documents = Input<Documents>("documents", "The documents to ask about.")
  static let answers = Output<Intermediate>("answers", "The answer to each document.", hidden: true)
  static let answered = Output<Documents>("documents", "The documents with what the answers say.")
  public static let inputs = [documents.port]
  public static let outputs = [answers.port, answered.port]
  public enum Phase: String, StagePhase { case ask, apply }
  public static let waitingPhases: Set<Phase> = [.ask]

  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .ask:
      Set((PromptOptions.fields + SamplingOptions.fields + AnswerOptions.fields).map(\.name)).union(["model"])
    case .apply: Set((AnswerUseOptions.fields).map(\.name)).union(["model", "answer", "schema", "reasoningEnd"])
    }
  }

  let options: Options
  /// Shared by all tasks.
  private let session: InferSession

  public init(options: Options) {
    self.options = options
    session = InferSession(options)
  }

  public func validate() throws {
    try options.prompt.validate()
    try options.sampling.validate()
    _ = try options.reading.reader()
    try options.use.validate(options.reading)
    try options.access.validate(endpoint: options.endpoint)
    try options.limits.validate()
    guard !options.model.isEmpty else { throw StageError(.options, "model", "is empty") }
  }

  public var remarks: [String] { options.limits.remarks }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let files = context.files(Self.documents)
    switch phase {
    case .ask:
      let prompts = try options.prompt.files(in: context)
      _ = try options.prompt.templates(prompts)
      let memory = 128 << 20 + options.limits.requestsAtOnce << 21
      return TaskPlan.perFile(files, memoryBytes: memory).map { $0.with(inputs: prompts) }
    case .apply:
      let answers = Dictionary(uniqueKeysWithValues: context.files(Self.answers).map { ($0.name, $0) })
      return TaskPlan.perFile(files).map { plan in
        plan.with(inputs: ["answers": answers[AskTask.fileName(plan.key)].map { [$0] } ?? []])
      }
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .ask:
      try networked(workspace) { try session.using(workspace) { try AskTask(options, workspace, $0).run() } }
    case .apply: try ApplyTask(options, workspace).run()
    }
  }
}

/// The endpoint as all tasks of a process share it: opened by the first of them, and closed by the last.
private final class InferSession: Sendable {
  private struct Opened {
    var service: ChatService
    var tasks: Int
  }

  private let options: InferEndpoint.Options
  private let opened = Monitor<Opened?>(nil)

  init(_ options: InferEndpoint.Options) { self.options = options }

  func using(_ workspace: Workspace, _ body: (ChatService) throws -> Void) throws {
    let stated = options.limits.state
    let service = try begin(folder: stated.isEmpty ? try workspace.stateDirectory(.kept) : stated)
    defer { end() }
    try body(service)
  }

  private func begin(folder: String) throws -> ChatService {
    try opened.with { opened -> Result<ChatService, any Error> in
      if let service = opened?.service {
        opened!.tasks += 1
        return .success(service)
      }
      return Result {
        let service = try ChatService(
          options.access.chatEndpoint(options.endpoint, options.limits), folder: folder, rules: options.limits.rules)
        opened = Opened(service: service, tasks: 1)
        return service
      }
    }.get()
  }

  private func end() {
    opened.with { opened in
      opened!.tasks -= 1
      if opened!.tasks == 0 { opened = nil }
    }
  }
}
