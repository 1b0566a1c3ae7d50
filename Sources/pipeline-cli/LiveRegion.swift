import Glibc

/// A few lines at the bottom of the terminal that are redrawn repeatedly; other output appears above them.
struct LiveRegion {
  private var drawn = 0

  /// Replaces the region in a single write, to avoid flicker.
  mutating func draw(_ lines: [String]) {
    Console.control(erasing, lines.map { visible($0) + "\n" }.joined())
    drawn = lines.count
  }

  mutating func clear() {
    guard drawn > 0 else { return }
    Console.control(erasing)
    drawn = 0
  }

  /// Moves to the region's first line and clears everything below.
  private var erasing: String { drawn > 0 ? "\u{1B}[\(drawn)F\u{1B}[J" : "" }
}

extension LiveRegion {
  /// A bar such as `████████▌···`, in the given number of columns.
  static func bar(_ fraction: Double, columns: Int) -> String {
    let eighths = Int((max(0, min(1, fraction)) * Double(columns * 8)).rounded(.down))
    let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
    let part = parts[eighths % 8]
    let filled = String(repeating: "█", count: eighths / 8) + part
    return filled + String(repeating: "·", count: columns - eighths / 8 - (part.isEmpty ? 0 : 1))
  }
}
