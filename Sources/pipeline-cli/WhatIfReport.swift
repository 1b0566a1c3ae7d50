import PipelineKit
import ShardKit

/// What would enter and leave, as text or JSON.
struct WhatIfReport {
  private let stage: String
  private let now: WhatIfAnswer
  private let then: WhatIfAnswer
  private let question: WhatIfQuestion
  private let samples: (leaving: [Shown], entering: [Shown])

  private struct Shown {
    var id: String
    var text: String
    var reason: DropReason
  }

  /// - Throws: what reading the sample documents throws.
  init(_ answer: WhatIf, _ question: WhatIfQuestion) throws {
    stage = answer.stage
    (now, then) = (answer.answers[0], answer.answers[1])
    var question = question
    question.weight = now.weight ?? question.weight
    question.group = now.group ?? question.group
    self.question = question
    samples = (try then.leaving.samples.map(Self.shown), try then.entering.samples.map(Self.shown))
  }

  private static func shown(_ sample: WhatIfAnswer.Sample) throws -> Shown {
    let reader = try DocumentReader(path: sample.file.path)
    var document = Document()
    for _ in 0...sample.row { guard try reader.next(&document) else { break } }
    let line = document.textString.prefix(400).split { $0.isNewline || $0 == " " || $0 == "　" }.joined(separator: " ")
    return Shown(id: document.idString, text: line, reason: sample.reason)
  }

  // MARK: Text

  func lines(_ style: Style) -> [String] {
    let all = total(now)
    var lines = ["\(style.bold(stage)): \(Quantities.count(all.documents)) documents, \(amount(all.weight))", ""]
    lines += verdictLines(style)
    lines += moveLines("leaving", then.leaving, samples.leaving, style)
    lines += moveLines("entering", then.entering, samples.entering, style)
    return lines
  }

  private func verdictLines(_ style: Style) -> [String] {
    var table = TextTable([
      ("", .left), ("now", .right), ("then", .right), ("change", .right), (question.weight, .right),
    ])
    func add(_ name: String, _ old: WhatIfAnswer.Amount, _ new: WhatIfAnswer.Amount) {
      guard old.documents > 0 || new.documents > 0 else { return }
      let change = new.documents - old.documents
      table.add([
        name, Quantities.count(old.documents), Quantities.count(new.documents), signed(Double(change)),
        signed(new.weight - old.weight),
      ])
    }
    add("kept", now.kept, then.kept)
    for group in names(now.keptByGroup, then.keptByGroup) where !group.isEmpty {
      add("  \(question.group) \(group)", now.keptByGroup[group] ?? .init(), then.keptByGroup[group] ?? .init())
    }
    add("dropped", sum(now.dropped), sum(then.dropped))
    for reason in names(now.dropped, then.dropped) {
      add("  \(reason)", now.dropped[reason] ?? .init(), then.dropped[reason] ?? .init())
    }
    return table.lines(style)
  }

  private func moveLines(
    _ title: String, _ moves: WhatIfAnswer.Moves, _ samples: [Shown], _ style: Style
  ) -> [String] {
    guard moves.all.documents > 0 else { return ["", "\(title): none"] }
    let share = fixed(100 * moves.all.weight / max(total(now).weight, 1), 2)
    var lines = [
      "",
      style.bold("\(title): \(Quantities.count(moves.all.documents)) documents")
        + ", \(amount(moves.all.weight)) (\(share)%)",
    ]
    lines += [("by reason", moves.byReason), ("by \(question.group)", moves.byGroup)].map { name, amounts in
      let parts = largest(amounts).map {
        "\($0.key.isEmpty ? "(none)" : $0.key) \(Quantities.count($0.value.documents))"
      }
      return "  \(name): \(parts.joined(separator: ", "))"
    }
    for sample in samples {
      lines.append("  \(style.bold(sample.id))  \(reason(sample.reason))")
      lines.append("    " + style.dim(fitted(visible(sample.text), columns: 100)))
    }
    return lines
  }

  private func reason(_ reason: DropReason) -> String {
    guard let value = reason.value else { return reason.name }
    let threshold = reason.threshold.map { " (threshold \(JSONValue.number($0).plainText))" } ?? ""
    return "\(reason.name): \(JSONValue.number(value).plainText)\(threshold)"
  }

  private func amount(_ weight: Double) -> String { "\(Quantities.short(weight)) \(question.weight)" }

  private func signed(_ change: Double) -> String {
    change == 0
      ? "0"
      : (change > 0 ? "+" : "-")
        + (abs(change) < 1e15 ? Quantities.count(Int(abs(change).rounded())) : "\(abs(change))")
  }

  private func largest(_ amounts: [String: WhatIfAnswer.Amount]) -> [(key: String, value: WhatIfAnswer.Amount)] {
    Array(amounts.sorted { ($1.value.documents, $0.key) < ($0.value.documents, $1.key) }.prefix(8))
  }

  private func names(_ a: [String: WhatIfAnswer.Amount], _ b: [String: WhatIfAnswer.Amount]) -> [String] {
    largest(a.merging(b) { $0.documents > $1.documents ? $0 : $1 }).map(\.key)
  }

  private func sum(_ amounts: [String: WhatIfAnswer.Amount]) -> WhatIfAnswer.Amount {
    var all = WhatIfAnswer.Amount()
    for amount in amounts.values {
      all.documents += amount.documents
      all.weight += amount.weight
    }
    return all
  }

  private func total(_ answer: WhatIfAnswer) -> WhatIfAnswer.Amount {
    var all = sum(answer.dropped)
    all.documents += answer.kept.documents
    all.weight += answer.kept.weight
    return all
  }
}

extension WhatIfReport {
  var json: JSONValue {
    func moves(_ moves: WhatIfAnswer.Moves, _ samples: [Shown]) -> JSONValue {
      [
        "documents": .integer(moves.all.documents), "weight": .number(moves.all.weight),
        "byReason": table(moves.byReason), "byGroup": table(moves.byGroup),
        "samples": .list(
          samples.map { sample in
            var members = [JSONMember("id", .string(sample.id)), JSONMember("reason", .string(sample.reason.name))]
            if let value = sample.reason.value { members.append(JSONMember("value", .number(value))) }
            if let threshold = sample.reason.threshold { members.append(JSONMember("threshold", .number(threshold))) }
            return .object(members + [JSONMember("text", .string(sample.text))])
          }),
      ]
    }
    return [
      "stage": .string(stage), "weight": .string(question.weight), "group": .string(question.group),
      "now": now.json, "then": then.json, "leaving": moves(then.leaving, samples.leaving),
      "entering": moves(then.entering, samples.entering),
    ]
  }
}

private func table(_ amounts: [String: WhatIfAnswer.Amount]) -> JSONValue {
  .object(
    amounts.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { JSONMember($0.key, $0.value.json) })
}

extension WhatIfAnswer.Amount {
  fileprivate var json: JSONValue { ["documents": .integer(documents), "weight": .number(weight)] }
}

extension WhatIfAnswer {
  var json: JSONValue { ["kept": kept.json, "keptByGroup": table(keptByGroup), "dropped": table(dropped)] }
}
