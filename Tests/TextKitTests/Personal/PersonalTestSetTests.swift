import ShardKit
import TestKit
import Testing
import TextKit

/// Precision and recall on `Fixtures/pii`, which was written before the scanner was run on it.
@Suite struct PersonalTestSetTests {
  struct Example {
    var file: String
    var text: [UInt8]
    var labels: [PersonalSpan]
  }

  /// A found span is right if a label has its kind and its very ends.
  struct Score {
    var right = 0, found = 0, labelled = 0
    var precision: Double { found == 0 ? 1 : Double(right) / Double(found) }
    var recall: Double { labelled == 0 ? 1 : Double(right) / Double(labelled) }
  }

  static func examples() throws -> [Example] {
    let folder = packagePath("Fixtures/pii")
    var out: [Example] = []
    for file in try FileSystem.list(folder).sorted() where file.hasSuffix(".jsonl") {
      let lines = LineReader(try openSource("\(folder)/\(file)"))
      while let line = try lines.next() {
        let json = try JSONValue.parse(Array(line)).value
        let text = try #require(json["text"]?.string)
        let offsets = Self.byteOffsets(text)
        let labels = try #require(json["spans"]?.array).map { label in
          let kind = try #require(PersonalKind.allCases.first { $0.name == label["kind"]?.string })
          return PersonalSpan(
            kind, offsets[try #require(label["start"]?.integer)]..<offsets[try #require(label["end"]?.integer)])
        }
        out.append(Example(file: file, text: Array(text.utf8), labels: labels))
      }
    }
    return out
  }

  /// The byte at which each character starts, and the end.
  private static func byteOffsets(_ text: String) -> [Int] {
    var out = [0]
    for scalar in text.unicodeScalars { out.append(out.last! + UTF8.width(scalar)) }
    return out
  }

  private static func shown(_ span: PersonalSpan, in text: [UInt8]) -> String {
    "\(span.kind.name) '\(String(decoding: text[span.range], as: UTF8.self))'"
  }

  @Test func precisionAndRecall() throws {
    let scanner = PersonalScanner(PersonalKind.allCases)
    var scores = [PersonalKind: Score](), spans: [PersonalSpan] = []
    let examples = try Self.examples()
    #expect(examples.count >= 300)
    for example in examples {
      example.text.withUnsafeBufferPointer { scanner.scan($0, into: &spans) }
      for kind in PersonalKind.allCases {
        let labels = example.labels.filter { $0.kind == kind }, found = spans.filter { $0.kind == kind }
        scores[kind, default: Score()].labelled += labels.count
        scores[kind, default: Score()].found += found.count
        scores[kind, default: Score()].right += found.count { labels.contains($0) }
        for miss in labels where !found.contains(miss) {
          print("\(example.file): missed \(Self.shown(miss, in: example.text))")
        }
        for alarm in found where !labels.contains(alarm) {
          print("\(example.file): false \(Self.shown(alarm, in: example.text))")
        }
      }
    }
    for kind in PersonalKind.allCases {
      let score = scores[kind]!
      print("\(kind.name): precision \(score.right)/\(score.found), recall \(score.right)/\(score.labelled)")
      #expect(score.precision >= 0.95, "precision of \(kind.name): \(score.precision)")
      #expect(score.recall >= 0.9, "recall of \(kind.name): \(score.recall)")
    }
  }

  /// Every label is covered by something that is found, so that masking leaves no part of it.
  @Test func nothingLabelledIsLeftInMaskedTexts() throws {
    var redactor = PersonalRedactor(PersonalScanner(PersonalKind.allCases), masking: PersonalKind.allCases)
    var left = 0, labels = 0
    for example in try Self.examples() {
      var text = example.text
      redactor.redact(&text)
      for label in example.labels {
        labels += 1
        left += text.firstRange(of: example.text[label.range]) == nil ? 0 : 1
      }
      // What is masked is not found again.
      var again = text
      let changed = redactor.redact(&again)
      #expect(!changed, "\(String(decoding: again, as: UTF8.self))")
    }
    print("left in masked texts: \(left) of \(labels)")
    #expect(Double(left) <= 0.05 * Double(labels))
  }
}
