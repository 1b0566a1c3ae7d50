import ShardKit
import TextKit

@testable import Stages

/// Random texts with known duplicates among them (splitmix64, so that every run sees the same).
struct PlantedTexts: RandomNumberGenerator {
  private var state: UInt64
  private static let syllables = Array("あいうえおかがきぎくぐけげこごさざしじすずせぜそぞただちぢつづてでとどなにぬねのはばぱ山川本日人")

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var x = state
    x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
    x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
    return x ^ (x >> 31)
  }

  mutating func text(_ characters: Int) -> String {
    var text = ""
    for _ in 0..<characters { text.append(Self.syllables.randomElement(using: &self)!) }
    return text
  }

  /// With `edits` characters replaced.
  mutating func edited(_ text: String, edits: Int) -> String {
    var characters = Array(text)
    for _ in 0..<edits { characters[Int.random(in: characters.indices, using: &self)] = "字" }
    return String(characters)
  }

  /// `originals` texts; for every fourth a copy that is exact, or near with a similarity that varies from 0.5 to 0.95.
  mutating func documents(originals: Int, characters: Int = 200) -> [Document] {
    var documents: [Document] = []
    for i in 0..<originals {
      let text = text(characters)
      documents.append(Document(id: "original-\(i)", text: text, source: "web"))
      if i % 4 == 0 {
        let edits = Int.random(in: 0...12, using: &self)
        documents.append(Document(id: "copy-\(i)", text: edited(text, edits: edits), source: "web"))
      }
    }
    return documents.shuffled(using: &self)
  }
}

/// Exact Jaccard similarity as the stage measures it.
func jaccard(_ a: Document, _ b: Document) -> Double {
  func set(_ document: Document) -> Set<UInt64> {
    var sketcher = SignatureHasher()
    return document.text.withUnsafeBufferPointer { Set(sketcher.shingles($0)) }
  }
  let (x, y) = (set(a), set(b))
  return Double(x.intersection(y).count) / Double(x.union(y).count)
}

extension [Document] {
  func split(into parts: Int) -> [[Document]] {
    (0..<parts).map { part in indices.filter { $0 % parts == part }.map { self[$0] } }
  }
}
