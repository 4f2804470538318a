"""The console: one web page for operators, analysts and the support desk. It reads tables and writes instructions."""
