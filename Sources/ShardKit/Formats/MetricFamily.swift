/// A metric with its samples, in the text format that Prometheus scrapes, version 0.0.4.
public struct MetricFamily: Equatable, Sendable {
  public enum Kind: String, Sendable { case gauge, counter, untyped }

  public struct Label: Hashable, Sendable {
    public var name: String
    public var value: String

    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  public struct Sample: Equatable, Sendable {
    public var labels: [Label]
    public var value: Double

    public init(_ value: Double, _ labels: [Label] = []) {
      self.value = value
      self.labels = labels
    }
  }

  /// The media type of the format.
  public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  public var name: String
  public var help: String
  public var kind: Kind
  public var samples: [Sample]

  /// - Parameter name: made a valid one: letters, digits and `_`.
  public init(_ name: String, _ help: String, _ kind: Kind = .gauge, _ samples: [Sample] = []) {
    self.name = Self.identifier(name)
    self.help = help
    self.kind = kind
    self.samples = samples
  }

  /// `# HELP`, `# TYPE` and a line per sample; nothing if there are no samples.
  public var text: String {
    guard !samples.isEmpty else { return "" }
    var out = "# HELP \(name) \(Self.escapedHelp(help))\n# TYPE \(name) \(kind.rawValue)\n"
    for sample in samples {
      let labels = sample.labels.map { "\(Self.identifier($0.name))=\"\(Self.escaped($0.value))\"" }
      out += name + (labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}") + " \(Self.number(sample.value))\n"
    }
    return out
  }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return Int(exactly: value).map { "\($0)" } ?? "\(value)"
  }

  /// Letters, digits and `_`, not a digit first.
  static func identifier(_ name: String) -> String {
    let bytes = name.unicodeScalars.map { $0.isASCII && isWord(UInt8($0.value)) ? UInt8($0.value) : 0x5F }
    let isDigitFirst = bytes.first.map { (0x30...0x39).contains($0) } ?? true
    return (isDigitFirst ? "_" : "") + String(decoding: bytes, as: UTF8.self)
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
  }

  private static func escaped(_ value: String) -> String { escapedHelp(value, quotes: true) }

  /// By scalars: a line end is one even behind a carriage return, with which it is one character.
  private static func escapedHelp(_ text: String, quotes: Bool = false) -> String {
    var out = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": out.append(contentsOf: "\\n".unicodeScalars)
      case "\\": out.append(contentsOf: "\\\\".unicodeScalars)
      case "\"" where quotes: out.append(contentsOf: "\\\"".unicodeScalars)
      default: out.append(scalar)
      }
    }
    return String(out)
  }
}

// MARK: Reading

extension MetricFamily {
  /// The families of a text as this program writes it; lines of another form are passed over.
  /// - Parameter maximumSamples: further ones are passed over.
  public static func families(of text: [UInt8], maximumSamples: Int = 1000) -> [MetricFamily] {
    var families: [MetricFamily] = []
    var count = 0
    for bytes in text.split(separator: 10) {
      let line = String(decoding: bytes, as: UTF8.self)
      if line.hasPrefix("# HELP ") {
        let words = line.dropFirst(7).split(separator: " ", maxSplits: 1)
        guard let name = words.first.map(String.init), name == identifier(name) else { continue }
        families.append(MetricFamily(name, words.count > 1 ? unescaped(words[1]) : "", .untyped))
      } else if line.hasPrefix("# TYPE ") {
        let words = line.dropFirst(7).split(separator: " ")
        guard words.count == 2, let last = families.indices.last, families[last].name == words[0] else { continue }
        families[last].kind = Kind(rawValue: String(words[1])) ?? .untyped
      } else if count < maximumSamples, let last = families.indices.last,
        let sample = sample(Substring(line), of: families[last].name)
      {
        families[last].samples.append(sample)
        count += 1
      }
    }
    return families.filter { !$0.samples.isEmpty }
  }

  /// `name{label="value",…} number`
  private static func sample(_ line: Substring, of name: String) -> Sample? {
    guard line.hasPrefix(name) else { return nil }
    var rest = line.dropFirst(name.count)
    var labels: [Label] = []
    if rest.first == "{" {
      rest = rest.dropFirst()
      while let label = label(&rest) { labels.append(label) }
      guard rest.first == "}" else { return nil }
      rest = rest.dropFirst()
    }
    guard rest.first == " " else { return nil }
    return number(of: rest.dropFirst()).map { Sample($0, labels) }
  }

  /// Takes `name="value"` and a comma behind it off the front.
  private static func label(_ rest: inout Substring) -> Label? {
    guard
      let match = rest.prefixMatch(
        of: #/([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)",?/#.matchingSemantics(.unicodeScalar))
    else { return nil }
    rest = rest[match.range.upperBound...]
    return Label(String(match.1), unescaped(match.2))
  }

  private static func number(of text: Substring) -> Double? {
    switch text {
    case "NaN": .nan
    case "+Inf": .infinity
    case "-Inf": -.infinity
    default: Double(text)
    }
  }

  private static func unescaped(_ text: Substring) -> String {
    var out = String.UnicodeScalarView()
    var isEscape = false
    for scalar in text.unicodeScalars {
      if isEscape {
        out.append(scalar == "n" ? "\n" : scalar)
        isEscape = false
      } else if scalar == "\\" {
        isEscape = true
      } else {
        out.append(scalar)
      }
    }
    return String(out)
  }
}
