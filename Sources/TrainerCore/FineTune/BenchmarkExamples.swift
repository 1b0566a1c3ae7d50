import ShardKit

/// One record of a benchmark.
public enum BenchmarkExample: Equatable, Sendable {
  case pair(String, String, score: Double)
  case entailment(String, String, label: Int)
  case choice(question: String, choices: [String], label: Int)
  case answer(Passage)
  /// A text, or two, and what is to be said of it.
  case text(String, pair: String?, targets: [Double])

  /// A question about a paragraph, with its answers as byte ranges of the paragraph.
  public struct Passage: Equatable, Sendable {
    public var id: String
    public var question: String
    public var context: [UInt8]
    public var answers: [Answer]
  }

  public struct Answer: Equatable, Sendable {
    public var text: String
    /// Bytes of the context.
    var range: Range<Int>
  }
}

/// Reads JGLUE's files: JSON lines, and for JSQuAD one document of SQuAD's form; or the Parquet files that the Hub makes
/// of them, in which labels are numbers and each question of JSQuAD is a row. For tasks
/// of texts: JSON lines with `text`, `textPair` for pairs, and `label`: a name, a list of names, or a number.
public enum BenchmarkExamples {
  /// - Throws: `ShardError` if the file cannot be read or is not of the benchmark's form.
  public static func read(_ benchmark: JGLUEBenchmark, path: String) throws -> [BenchmarkExample] {
    try read(.benchmark(benchmark), path: path)
  }

  /// - Throws: `ShardError` if the file cannot be read or is not of the task's form.
  public static func read(_ task: TunedTask, path: String) throws -> [BenchmarkExample] {
    let isTable = try ParquetFile.isOne(path)
    if task == .benchmark(.jsquad), !isTable { return try passages(path) }
    var examples: [BenchmarkExample] = []
    let lines = LineReader(try openLines(path), maximumLineBytes: 64 << 20)
    while let line = try lines.next() {
      guard !line.isEmpty else { continue }
      func wrong(_ message: String) -> ShardError { ShardError(.malformed, "\(path):\(lines.number)", message) }
      let json: JSONValue
      do { json = try JSONValue.parse(Array(line)).value } catch {
        throw wrong("is not JSON at byte \(error.offset): \(error.message)")
      }
      if task == .benchmark(.jsquad), json["is_impossible"]?.bool == true { continue }
      examples.append(try example(task, json, wrong))
    }
    guard !examples.isEmpty else { throw ShardError(.malformed, path, "holds no examples") }
    return examples
  }

  private static func example(
    _ task: TunedTask, _ json: JSONValue, _ wrong: (String) -> ShardError
  ) throws -> BenchmarkExample {
    func text(_ key: String) throws -> String {
      guard let text = json[key]?.string else { throw wrong("has no text '\(key)'") }
      return text
    }
    switch task {
    case .benchmark(.jsts):
      guard let score = json["label"]?.double, (0...5).contains(score) else {
        throw wrong("has no 'label' between 0 and 5")
      }
      return .pair(try text("sentence1"), try text("sentence2"), score: score)
    case .benchmark(.jnli):
      let named = JGLUEBenchmark.entailments.firstIndex(of: json["label"]?.string ?? "")
      guard let label = named ?? json["label"]?.integer, JGLUEBenchmark.entailments.indices.contains(label) else {
        throw wrong("has no 'label' of \(JGLUEBenchmark.entailments.joined(separator: ", "))")
      }
      return .entailment(try text("sentence1"), try text("sentence2"), label: label)
    case .benchmark(.jcommonsenseqa):
      guard let label = json["label"]?.integer, (0..<JGLUEBenchmark.choices).contains(label) else {
        throw wrong("has no 'label' below \(JGLUEBenchmark.choices)")
      }
      let choices = try (0..<JGLUEBenchmark.choices).map { try text("choice\($0)") }
      return .choice(question: try text("question"), choices: choices, label: label)
    case .benchmark(.jsquad):
      return .answer(try passage(json, text("id"), text("question"), text("context"), wrong))
    case .texts(let task):
      guard let targets = task.targets(json["label"] ?? .null) else {
        throw wrong(
          task == .regression
            ? "has no number 'label'" : "has no 'label' of \(task.labels.prefix(20).joined(separator: ", "))")
      }
      return .text(try text("text"), pair: json["textPair"]?.string, targets: targets)
    }
  }

  /// A row of SQuAD: its answers are two lists, or a list of pairs.
  private static func passage(
    _ json: JSONValue, _ id: String, _ question: String, _ context: String, _ wrong: (String) -> ShardError
  ) throws -> BenchmarkExample.Passage {
    let answers = json["answers"]
    let pairs =
      answers?.array?.map { ($0["text"], $0["answer_start"]) }
      ?? zip(answers?["text"]?.array ?? [], answers?["answer_start"]?.array ?? []).map { ($0, $1) }
    let places = ScalarPlaces(context)
    let found = try pairs.map { text, start in
      guard let text = text?.string, let start = start?.integer, let range = places.range(of: text, at: start) else {
        throw wrong("has an answer that is not at its place in the paragraph")
      }
      return BenchmarkExample.Answer(text: text, range: range)
    }
    guard !found.isEmpty else { throw wrong("has no answers") }
    return .init(id: id, question: question, context: places.bytes, answers: found)
  }

  // MARK: SQuAD's form

  private static func passages(_ path: String) throws -> [BenchmarkExample] {
    func wrong(_ place: String, _ message: String) -> ShardError {
      ShardError(.malformed, "\(path): \(place)", message)
    }
    let json: JSONValue
    do { json = try JSONValue.parse(try openSource(path).readAll(limit: 1 << 30)).value } catch let error
      as JSONSyntaxError
    {
      throw ShardError(.malformed, path, "is not JSON at byte \(error.offset): \(error.message)")
    }
    guard let articles = json["data"]?.array else { throw ShardError(.malformed, path, "has no list 'data'") }
    var examples: [BenchmarkExample] = []
    for article in articles {
      for paragraph in article["paragraphs"]?.array ?? [] {
        guard let context = paragraph["context"]?.string else { throw wrong("a paragraph", "has no 'context'") }
        let places = ScalarPlaces(context)
        for question in paragraph["qas"]?.array ?? [] {
          guard let id = question["id"]?.string, let text = question["question"]?.string else {
            throw wrong("a question", "has no 'id' or no 'question'")
          }
          guard question["is_impossible"]?.bool != true else { continue }
          let answers = try (question["answers"]?.array ?? []).map { answer in
            guard let text = answer["text"]?.string, let start = answer["answer_start"]?.integer,
              let range = places.range(of: text, at: start)
            else { throw wrong(id, "has an answer that is not at its place in the paragraph") }
            return BenchmarkExample.Answer(text: text, range: range)
          }
          guard !answers.isEmpty else { throw wrong(id, "has no answers") }
          examples.append(.answer(.init(id: id, question: text, context: places.bytes, answers: answers)))
        }
      }
    }
    guard !examples.isEmpty else { throw ShardError(.malformed, path, "holds no questions") }
    return examples
  }
}

/// Byte offsets of a text's scalars, which SQuAD counts by.
struct ScalarPlaces {
  let bytes: [UInt8]
  private let starts: [Int]

  init(_ text: String) {
    let bytes = Array(text.utf8)
    self.bytes = bytes
    starts = bytes.indices.filter { bytes[$0] & 0xC0 != 0x80 } + [bytes.count]
  }

  /// The byte range of `text`, if it is at that scalar.
  func range(of text: String, at scalar: Int) -> Range<Int>? {
    guard starts.indices.contains(scalar), !text.isEmpty else { return nil }
    let start = starts[scalar], end = start + text.utf8.count
    guard end <= bytes.count, bytes[start..<end].elementsEqual(text.utf8) else { return nil }
    return start..<end
  }
}
