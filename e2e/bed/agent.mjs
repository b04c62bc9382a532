// The program of the paid agent. Its answer has bold text, an emoji before it (offsets count UTF-16
// units), code, and enough words for a second Discord message.
console.log('🚀 **Audited** the `login` form.\n');
console.log(Array.from({ length: 400 }, (_, n) => `finding${n}`).join(' '));
