import PipelineKit
import ShardKit
import TrainerCore

/// The text of a model card, in Markdown, with the metadata that Hugging Face reads.
struct ModelCardText {
  var options: ModelCard.Options
  var configuration: JSONValue
  var shape: ModelShape
  /// Files of figures with their stages and contents.
  var measured: [(stage: String, file: String, json: JSONValue)] = []

  private var needsCode: Bool { configuration["auto_map"] != nil }

  var markdown: String {
    var parts = [metadata, "# \(options.name)\n"]
    if !options.summary.isEmpty { parts.append(options.summary + "\n") }
    parts += [architecture, usage, data, training, scores, others]
    return parts.filter { !$0.isEmpty }.joined(separator: "\n")
  }

  // MARK: Parts

  private var metadata: String {
    var lines = ["---"]
    if !options.languages.isEmpty {
      lines.append("language:\n" + options.languages.map { "- \(quoted($0))" }.joined(separator: "\n"))
    }
    if !options.license.isEmpty { lines.append("license: \(quoted(options.license))") }
    lines.append("library_name: transformers")
    if let task = use.pipeline { lines.append("pipeline_tag: \(task)") }
    lines += ["tags:", "- bert"]
    if shape.kind == .mosaicBERT { lines.append("- mosaicbert") }
    if shape.kind == .modernBERT { lines.append("- modernbert") }
    return (lines + ["---", ""]).joined(separator: "\n")
  }

  /// transformers' class for this model, and its kind of pipeline; nil if there is none.
  private var use: (className: String, pipeline: String?) {
    let name = configuration["architectures"]?.array?.first?.string ?? ""
    for (ending, pipeline) in Self.uses where name.hasSuffix("For" + ending) {
      return ("AutoModelFor" + ending, pipeline)
    }
    return ("AutoModel", "feature-extraction")
  }

  private static let uses: [(ending: String, pipeline: String?)] = [
    ("MaskedLM", "fill-mask"), ("SequenceClassification", "text-classification"), ("MultipleChoice", nil),
    ("QuestionAnswering", "question-answering"),
  ]

  private func quoted(_ text: String) -> String { JSONValue.string(text).text() }

  private var architecture: String {
    let form =
      switch shape.kind {
      case .mosaicBERT:
        "MosaicBERT: post-LN BERT with distances as biases of attention (ALiBi) instead of positions, and GEGLU."
      case .ropeBERT: "NomicBERT: post-LN BERT with rotary positions and GEGLU; part of transformers from release 5."
      case .bert: "BERT with learned positions."
      case .modernBERT:
        "ModernBERT: pre-LN, rotary positions and GEGLU; layers that see a window of \(shape.modern.localAttention) tokens "
          + "between layers that see all of them; part of transformers from release 4.48."
      }
    return """
      ## Model

      \(form)

      | | |
      |---|---|
      | parameters | \(grouped(shape.parameterCount)) |
      | layers, width, heads | \(shape.layers), \(shape.hiddenSize), \(shape.heads) |
      | feed-forward width | \(shape.intermediateSize) |
      | vocabulary | \(grouped(shape.vocabularySize)) |
      | tokens at most | \(shape.maximumLength) |

      """
  }

  private var usage: String {
    let trust = needsCode ? ", trust_remote_code=True" : ""
    let (name, task) = use
    let imports = task == nil ? "" : ", pipeline"
    let last = task.map { "\nrun = pipeline(\"\($0)\", model=model, tokenizer=tokenizer)" } ?? ""
    let remark =
      needsCode ? "The modeling code is in this repository; it runs with transformers 4.57 and 5.\n" : ""
    return """
      ## Usage

      ```python
      from transformers import \(name), AutoTokenizer\(imports)

      name = "…"  # this repository
      tokenizer = AutoTokenizer.from_pretrained(name\(trust))
      model = \(name).from_pretrained(name\(trust))\(last)
      ```

      \(remark)
      """
  }

  private var data: String {
    var lines: [String] = []
    if !options.sources.isEmpty {
      lines += ["| source | license |", "|---|---|"]
      for (name, license) in options.sources.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
        lines.append("| \(cell(name)) | \(cell(license)) |")
      }
      lines.append("")
    }
    for (stage, _, json) in measured {
      guard let domains = json["domains"]?.array, !domains.isEmpty else { continue }
      let unit = json["unit"]?.string ?? "amount"
      lines += [
        "Composition (stage `\(stage)`):", "", "| domain | documents | \(cell(unit)) | share |", "|---|---|---|---|",
      ]
      for domain in domains {
        let share = domain["keptShare"]?.double.map { fixed($0 * 100, 2) + " %" } ?? ""
        lines.append(
          "| \(cell(domain["name"]?.string ?? "")) | \(grouped(domain["keptDocuments"]?.integer ?? 0)) | "
            + "\(grouped(domain["keptAmount"]?.integer ?? 0)) | \(share) |")
      }
      lines.append("")
    }
    return lines.isEmpty ? "" : (["## Data", ""] + lines).joined(separator: "\n")
  }

  private var training: String {
    var lines: [String] = []
    for (stage, file, json) in measured where file == "training.json" {
      lines += ["Stage `\(stage)`:", "", "| | |", "|---|---|"] + Self.rows(json) + [""] + Self.sources(json)
    }
    if !options.facts.isEmpty {
      lines += ["| | |", "|---|---|"]
      for (name, value) in options.facts.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
        lines.append("| \(cell(name)) | \(cell(value)) |")
      }
      lines.append("")
    }
    return lines.isEmpty ? "" : (["## Training", ""] + lines).joined(separator: "\n")
  }

  private var scores: String {
    var lines: [String] = []
    for (stage, file, json) in measured {
      switch file {
      case "jglue.json": lines += ScoreSection(json).jglue
      case "glue.json": lines += ScoreSection(json).glue
      case "sts.json", "retrieval.json":
        lines += ScoreSection(json).plain("Stage `\(stage)`, pooling \(json["pooling"]?.string ?? "unknown")")
      default: break
      }
    }
    return lines.isEmpty ? "" : (["## Scores", ""] + lines).joined(separator: "\n")
  }

  /// Figures of other stages, unchanged.
  private var others: String {
    var lines: [String] = []
    let shown: Set = ["training.json", "jglue.json", "glue.json"]
    for (stage, file, json) in measured
    where !shown.contains(file) && json["domains"] == nil && json["scores"] == nil {
      let rows = Self.rows(json)
      guard !rows.isEmpty else { continue }
      lines += ["Stage `\(stage)`:", "", "| | |", "|---|---|"] + rows + [""]
    }
    return lines.isEmpty ? "" : (["## Other figures", ""] + lines).joined(separator: "\n")
  }

  // MARK: Cells

  /// What a training has read of each named set of tokens.
  private static func sources(_ json: JSONValue) -> [String] {
    guard let sources = json["sources"]?.members, !sources.isEmpty else { return [] }
    return ["| set | samples | tokens | epochs |", "|---|---|---|---|"]
      + sources.map { source in
        let counts = ["samples", "tokens"].map { grouped(source.value[$0]?.integer ?? 0) }
        let epochs = fixed(source.value["epochs"]?.double ?? 0, 2)
        return "| \(cell(source.key)) | \(counts[0]) | \(counts[1]) | \(epochs) |"
      } + [""]
  }

  /// An object's scalar members; lists and objects in it are left out.
  private static func rows(_ json: JSONValue) -> [String] {
    (json.members ?? []).compactMap { member in
      switch member.value {
      case .integer(let number): "| \(member.key) | \(grouped(number)) |"
      case .number(let number): "| \(member.key) | \(abs(number) >= 0.01 ? fixed(number, 4) : "\(number)") |"
      case .string(let text): "| \(member.key) | \(cell(text)) |"
      case .bool(let flag): "| \(member.key) | \(flag) |"
      default: nil
      }
    }
  }
}

/// Escapes text for a table cell.
private func cell(_ text: String) -> String {
  text.replacing("|", with: "\\|").replacing("\n", with: " ")
}

/// `1,234,567`
private func grouped(_ number: Int) -> String {
  var out = ""
  let digits = String(number.magnitude)
  for (place, digit) in digits.enumerated() {
    if place > 0, (digits.count - place) % 3 == 0 { out.append(",") }
    out.append(digit)
  }
  return (number < 0 ? "-" : "") + out
}
