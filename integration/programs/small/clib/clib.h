int clib_answer(void);
int clib_system(void);
