// Keeps Japanese documents of some length: a program for command.documents in C, without libraries.
//
// It reads frames `documents NUMBER COUNT BYTES\n` from descriptor 3, each with COUNT lines of JSON, and answers each with
// `verdicts NUMBER COUNT BYTES\n` and COUNT lines of JSON to descriptor 4.
//
//     cc -O2 -o quality quality.c
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The beginning of a string's content in a document's line, behind `"name":"`; NULL if there is none. pipeline writes the
// members of a document in a fixed order without spaces, and "id" and "text" first, so that no text can contain the name.
static const char *member(const char *line, const char *name) {
  const char *found = strstr(line, name);
  return found ? found + strlen(name) : NULL;
}

static const char *end_of_string(const char *at) {
  while (*at != '"') at += *at == '\\' ? 2 : 1;
  return at;
}

// Decodes one character of a JSON string in valid UTF-8 and returns its length in bytes.
static int decode(const uint8_t *at, uint32_t *scalar) {
  if (at[0] == '\\') {
    if (at[1] != 'u') return *scalar = at[1], 2;
    char digits[5] = {0};
    memcpy(digits, at + 2, 4);
    *scalar = (uint32_t)strtoul(digits, NULL, 16);
    return *scalar >= 0xD800 && *scalar < 0xDC00 ? 12 : 6;
  }
  if (at[0] < 0x80) return *scalar = at[0], 1;
  if (at[0] < 0xE0) return *scalar = 0, 2;
  if (at[0] < 0xF0) {
    *scalar = (uint32_t)(at[0] & 15) << 12 | (uint32_t)(at[1] & 63) << 6 | (at[2] & 63);
    return 3;
  }
  return *scalar = 0, 4;
}

static void judge(const char *line, FILE *answers) {
  const char *id = member(line, "{\"id\":\""), *id_end = end_of_string(id);
  const char *text = member(id_end, "\",\"text\":\""), *text_end = end_of_string(text);
  long characters = 0, hiragana = 0;
  for (const char *at = text; at < text_end;) {
    uint32_t scalar;
    at += decode((const uint8_t *)at, &scalar);
    characters += 1;
    hiragana += (scalar >= 0x3041 && scalar <= 0x3096) || (scalar >= 0x309D && scalar <= 0x309F);
  }
  fprintf(answers, "{\"id\":\"%.*s\",", (int)(id_end - id), id);
  double fraction = characters ? (double)hiragana / (double)characters : 0;
  if (characters < 400)
    fprintf(answers, "\"drop\":{\"reason\":\"minimum-characters\",\"value\":%ld,\"threshold\":400}}\n", characters);
  else if (fraction < 0.15)
    fprintf(answers, "\"drop\":{\"reason\":\"minimum-hiragana-fraction\",\"value\":%.17g,\"threshold\":0.15}}\n", fraction);
  else
    fputs("\"keep\":true}\n", answers);
}

int main(void) {
  FILE *in = fdopen(3, "r"), *out = fdopen(4, "w");
  if (!in || !out) return fputs("descriptors 3 and 4 are not open: pipeline runs this program\n", stderr), 2;
  fputs("ready 1 0 0\n", out);
  fflush(out);
  long number, count, size;
  while (fscanf(in, "documents %ld %ld %ld", &number, &count, &size) == 3 && fgetc(in) == '\n') {
    char *lines = malloc((size_t)size + 1), *verdicts = NULL;
    size_t length = 0;
    if (!lines || fread(lines, 1, (size_t)size, in) != (size_t)size) return 1;
    lines[size] = 0;
    FILE *answers = open_memstream(&verdicts, &length);
    for (char *line = lines; line < lines + size;) {
      char *end = memchr(line, '\n', (size_t)(lines + size - line));
      *end = 0;
      judge(line, answers);
      line = end + 1;
    }
    fclose(answers);
    fprintf(out, "verdicts %ld %ld %zu\n", number, count, length);
    fwrite(verdicts, 1, length, out);
    fflush(out);
    free(verdicts);
    free(lines);
  }
  return 0;
}
